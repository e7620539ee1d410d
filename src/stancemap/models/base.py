"""What every model is: an estimator over the columns `text` and `target`, and a folder without pickle.

Why: stages, `predict` and tests know only this contract. A kind implements `_fit`, `_logits`, `_state` and
`_restore`; validation, probabilities and the folder are here, once.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stancemap.bundle import read_bundle, write_bundle
from stancemap.errors import DataError, InputError, ModelError, explain

Frame = Mapping[str, Sequence[Any]]
"""The columns `text` and `target`, row by row; a pandas DataFrame is one. `fit` also reads `document` and `weight`."""

Floats = NDArray[np.float64]
State = tuple[dict[str, NDArray[Any]], dict[str, Any]]


class StanceModel(ABC):
    """An estimator of the stance of texts on targets, in the manner of scikit-learn.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
        The labels, in the order of the columns of `predict_proba`.
    """

    classes_: NDArray[np.str_]

    @abstractmethod
    def _fit(self, frame: Frame, y: NDArray[np.int64]) -> None:
        """Learn from rows whose labels are indices into `classes_`."""

    @abstractmethod
    def _logits(self, frame: Frame) -> Floats:
        """Calibrated log-odds, shape (n_rows, n_classes), up to a constant per row."""

    @abstractmethod
    def _state(self) -> State:
        """What was learnt: arrays, and a JSON-able remainder."""

    @abstractmethod
    def _restore(self, arrays: dict[str, NDArray[Any]], state: dict[str, Any], folder: Path) -> None:
        """Take back what `_state` gave, and any file that `_extra_files` wrote."""

    def _extra_files(self, folder: Path) -> None:  # noqa: B027 - most kinds have none
        """Write further files of the bundle (an ONNX graph, a tokenizer) into its folder."""

    def fit(self, frame: Frame, y: Sequence[str], classes: Sequence[str] | None = None) -> Self:
        """Learn from labelled rows.

        Parameters
        ----------
        frame : mapping of columns
            `text` and `target`; `document`, where present, keeps rows of one document together in
            cross-validation inside the model; `weight`, where present, is what a row counts (1 by default).
        y : sequence of str, length n_rows
            The labels.
        classes : sequence of str, optional
            The order of `classes_`; sorted by default.

        Raises
        ------
        InputError
            When columns are missing, lengths differ, or a label is outside `classes`.
        DataError
            When there are no rows, or a label of `classes` has none.
        """
        rows = check_frame(frame)
        if len(y) != rows:
            raise InputError(explain(f"{rows} rows came with {len(y)} labels", then="Pass one label for each row"))
        if rows == 0:
            raise DataError(explain("There are no rows to learn from", then="Pass a frame with rows"))
        order = np.array(list(classes) if classes is not None else sorted(set(y)), dtype=np.str_)
        index = {str(label): i for i, label in enumerate(order)}
        unknown = sorted({label for label in y if label not in index})
        if unknown:
            raise InputError(explain("A label is unknown", got=unknown[0], allowed=", ".join(index)))
        unseen = [label for label in index if label not in set(y)]
        if unseen:
            raise DataError(explain(f"The label {unseen[0]} has no row to learn from", then="Add rows that carry it"))
        self.classes_ = order
        try:
            self._fit(frame, np.array([index[label] for label in y], dtype=np.int64))
        except BaseException:  # also a Ctrl-C: old weights under new labels would answer, and wrongly
            del self.classes_
            raise
        return self

    def predict_proba(self, frame: Frame) -> Floats:
        """Probabilities, shape (n_rows, n_classes); rows sum to 1."""
        self._require_fit()
        if check_frame(frame) == 0:
            return np.zeros((0, len(self.classes_)))
        return softmax(self._logits(frame))

    def predict(self, frame: Frame) -> NDArray[np.str_]:
        """The likeliest label of each row, shape (n_rows,)."""
        columns = self.predict_proba(frame).argmax(axis=1)
        likeliest: NDArray[np.str_] = self.classes_[columns]
        return likeliest

    def _require_fit(self) -> None:
        if not hasattr(self, "classes_"):
            raise ModelError(explain(f"This {type(self).__name__} is not fitted", then="Call fit or load a folder"))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, by name."""
        return {name: getattr(self, name) for name in parameters(type(self))}

    def set_params(self, **params: Any) -> Self:
        """Set constructor's arguments; unknown names are refused."""
        for name, value in params.items():
            if name not in parameters(type(self)):
                raise InputError(
                    explain("Unknown parameter", got=name, allowed=", ".join(parameters(type(self))) or "none")
                )
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn's tools (`cross_val_score`, ...) that this is a classifier."""
        from sklearn.base import BaseEstimator, ClassifierMixin

        tagged = type("Tagged", (ClassifierMixin, BaseEstimator), {})
        return tagged().__sklearn_tags__()

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({listed})"

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write the model as a self-contained folder, all of it or nothing.

        Parameters
        ----------
        folder : Path
            Where; an older folder of that name is replaced once the new one is complete.
        about : mapping
            What `predict` must know beside the model: its name, its dataset, its targets.
        """
        self._require_fit()
        arrays, state = self._state()
        head = {
            "kind": type(self).__module__.rpartition(".")[2],
            "params": self.get_params(),
            "classes": [str(label) for label in self.classes_],
            "state": state,
            "about": dict(about),
        }
        write_bundle(folder, head, arrays, self._extra_files)

    @classmethod
    def restore(cls, folder: Path) -> Self:
        """Open a folder that `save` wrote; never touches the network."""
        head, arrays = read_bundle(folder)
        model = cls(**head["params"])
        model.classes_ = np.array(head["classes"], dtype=np.str_)
        model._restore(arrays, head["state"], folder)
        return model


def parameters(kind: type[StanceModel]) -> list[str]:
    """The names of a kind's constructor arguments."""
    if kind.__init__ is object.__init__:
        return []
    return list(inspect.signature(kind).parameters)


def softmax(logits: Floats) -> Floats:
    """Probabilities of log-odds, row by row.

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities


def check_frame(frame: Frame) -> int:
    """The number of rows of a frame with the columns that a model needs."""
    for column in ("text", "target"):
        if column not in frame:
            columns = ", ".join(str(name) for name in frame) or "no columns"
            raise InputError(explain(f"The column {column!r} is missing", got=columns, allowed="text, target"))
    rows = len(frame["text"])
    if len(frame["target"]) != rows:
        raise InputError(explain(f"{rows} texts came with {len(frame['target'])} targets"))
    return rows
