"""What MLflow runs to serve a registered model (models-from-code): a pyfunc around `stancemap.predict`."""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel


class ServedStance(PythonModel):
    """Answers rows of `text` and, optionally, `target` with a label and one column for each probability."""

    def load_context(self, context: Any) -> None:
        """Open the bundle that lies among the artifacts."""
        from stancemap.predict import open_with_about

        self._folder = context.artifacts["bundle"]
        self._generic = open_with_about(self._folder)[1]["target"]

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """A DataFrame with `label` and `p(LABEL)` columns, a row for each row of the input."""
        from stancemap.errors import InputError
        from stancemap.predict import predict

        targets = None
        if "target" in model_input:  # a row without a target gets the generic one
            targets = [aim if isinstance(aim, str) else self._generic for aim in model_input["target"]]
        try:
            answers = predict(list(model_input["text"]), targets, model=self._folder)
        except InputError as error:  # the server makes a 400 with this message of it, and of all else a traceback
            raise MlflowException.invalid_parameter_value(str(error)) from None
        rows = [{"label": one.label, **{f"p({k})": v for k, v in one.probabilities.items()}} for one in answers]
        return pd.DataFrame(rows)


mlflow.models.set_model(ServedStance())
