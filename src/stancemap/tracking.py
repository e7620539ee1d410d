"""MLflow, and nobody else's MLflow: runs, registered versions, aliases.

Why: stages write plain files; here they become runs. Everything is keyed by fingerprints of those files, so
writing twice changes nothing, a deleted database comes back, and a stage restored from a cache is tracked too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from stancemap.bundle import digest
from stancemap.errors import RegistryError, explain
from stancemap.quiet import quiet

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
FINGERPRINT = "stancemap.fingerprint"
BUNDLE = "bundle"
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # the UI knows several kinds
DESCRIPTION = "Where the holder of a sentence stands on a target. The run of a version holds its card."


@dataclass(frozen=True)
class RunRecord:
    """One (dataset, model, fingerprint), ready to be written."""

    name: str
    fingerprint: str
    params: dict[str, Any]
    classes: tuple[str, ...]
    metrics: dict[str, float]
    tags: dict[str, str]
    card: str
    summary: str
    files: tuple[Path, ...]
    bundle: Path


class Tracker:
    """A tracking server and the registry behind it.

    Parameters
    ----------
    uri : str
        Where MLflow keeps its runs.
    artifacts : Path
        The folder of artifacts when the store is a local database; a server has its own.
    """

    def __init__(self, uri: str, artifacts: Path) -> None:
        self.uri = uri
        self.artifacts = artifacts
        with quiet():
            import mlflow

            self.client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def experiment(self, name: str) -> str:
        """The id of an experiment, made when it is not there."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        local = self.uri.startswith("sqlite")
        place = (self.artifacts / name).as_uri() if local else None
        return str(self.client.create_experiment(name, artifact_location=place, tags=EXPERIMENT_TAGS))

    def find_run(self, experiment: str, fingerprint: str) -> str | None:
        """The finished run of a fingerprint; None when there is none."""
        query = f"tags.`{FINGERPRINT}` = '{fingerprint}' and attributes.status = 'FINISHED'"
        runs = self.client.search_runs([experiment], query, max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def write_run(self, experiment: str, record: RunRecord, rows: Path) -> str:
        """Create one run with all that belongs to it, model included; it is FINISHED only when it is whole."""
        import mlflow

        with quiet(), going_to(self.uri), mlflow.start_run(None, experiment, record.name, tags=record.tags) as run:
            mlflow.log_params(record.params)
            mlflow.log_metrics(record.metrics)
            mlflow.log_input(_dataset(rows), context="training")
            for path in record.files:
                mlflow.log_artifact(str(path), "report")
            self._log_model(record)
            mlflow.set_tags({FINGERPRINT: record.fingerprint, "mlflow.note.content": record.card})
        return str(run.info.run_id)

    def _log_model(self, record: RunRecord) -> None:
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        from stancemap import __version__

        package = Path(__file__).parent
        inputs = Schema([ColSpec("string", "text"), ColSpec("string", "target", required=False)])
        outputs = Schema([ColSpec("string", "label"), *(ColSpec("double", f"p({label})") for label in record.classes)])
        example = {
            "text": ["The senator said the troops should come home."],
            "target": [record.tags["stancemap.target"]],
        }
        import pandas as pd

        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(package / "serving.py"),
            artifacts={BUNDLE: str(record.bundle)},
            code_paths=[str(package)],
            signature=ModelSignature(inputs=inputs, outputs=outputs),
            input_example=pd.DataFrame(example),
            pip_requirements=requirements(),
            metadata={"stancemap": __version__, "fingerprint": record.fingerprint},
        )

    def register(self, name: str, run_id: str, record: RunRecord) -> str:
        """The version of a run's model, made when it is not there."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.get_registered_model(name)
        except MlflowException:
            self.client.create_registered_model(name, description=DESCRIPTION)
        found = self.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        if found:
            return str(found[0].version)
        model_id = self.client.get_run(run_id).outputs.model_outputs[0].model_id
        source = self.client.get_logged_model(model_id).artifact_location
        tags = {"model": record.name, FINGERPRINT: record.fingerprint}
        with quiet():
            made = self.client.create_model_version(
                name, source, run_id, tags=tags, description=record.summary, model_id=model_id
            )
        return str(made.version)

    def point(self, name: str, alias: str, version: str) -> bool:
        """Move an alias; tells whether it moved."""
        aliases = self.client.get_registered_model(name).aliases
        if str(aliases.get(alias)) == version:
            return False
        self.client.set_registered_model_alias(name, alias, version)
        return True

    def unpoint(self, name: str, alias: str) -> bool:
        """Take an alias away; tells whether it was there."""
        if alias not in self.client.get_registered_model(name).aliases:
            return False
        self.client.delete_registered_model_alias(name, alias)
        return True

    def lost(self, run_id: str) -> bool:
        """Whether the files of a run's model lay on this machine and are gone."""
        model_id = self.client.get_run(run_id).outputs.model_outputs[0].model_id
        place = _here(str(self.client.get_logged_model(model_id).artifact_location))
        return place is not None and not (place / "MLmodel").is_file()


def _here(address: str) -> Path | None:
    """The folder of a file: address; None when it is elsewhere."""
    parsed = urlsplit(address)
    return Path(url2pathname(parsed.path)) if parsed.scheme == "file" else None


@contextmanager
def going_to(uri: str) -> Iterator[None]:
    """Let MLflow's own functions write to `uri`, and put back what they keep in globals and in the environment."""
    import mlflow

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    kept = {name: os.environ.get(name) for name in names}
    tracking, registry = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    own = mlflow.is_tracking_uri_set() and tracking != kept["MLFLOW_TRACKING_URI"]
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(tracking if own else None)
        mlflow.set_registry_uri(registry if registry not in {tracking, kept["MLFLOW_REGISTRY_URI"]} else None)
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _dataset(rows: Path) -> Any:
    """The training rows as MLflow's dataset: name, digest and counts."""
    import pandas as pd
    from mlflow.data import from_pandas

    table = pd.read_parquet(rows, columns=["id", "text", "target", "label"])
    return from_pandas(table, source=rows.as_uri(), name=rows.parent.name, digest=digest(rows)[:16])


def requirements() -> list[str]:
    """What a serving process needs, at the versions of this one."""
    from importlib.metadata import version

    needed = "annotated-types ftfy numpy onnxruntime pandas platformdirs pydantic pyyaml rich safetensors scikit-learn"
    return [f"{name}=={version(name)}" for name in [*needed.split(), "mlflow", "syntok", "tokenizers", "typer"]]


def download(address: str, uri: str) -> Path:
    """The bundle behind a registry address, on this machine.

    Raises
    ------
    RegistryError
        When MLflow is not installed, or the registry holds no such version.
    """
    try:
        with quiet():
            import mlflow
            from mlflow.exceptions import MlflowException
    except ImportError:
        then = "Install it with: pip install 'stancemap[train]'; or pass a model folder"
        raise RegistryError(
            explain("The registry needs MLflow, which is not installed", got=address, then=then)
        ) from None
    try:
        with quiet(), going_to(uri):
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=address))
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        wrong = f"The registry holds no model {address}: {reason}"
        then = "Train one with `dvc repro`, or pass a model folder"
        raise RegistryError(explain(wrong, then=then)) from None
    found = sorted(folder.glob("artifacts/*/model.json"))
    if not found:
        raise RegistryError(explain(f"The registered model {address} holds no stancemap bundle"))
    return found[0].parent
