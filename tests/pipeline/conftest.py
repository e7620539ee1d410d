"""What the tests of the stages share beside the two projects: snapshots, and a registry that is there already."""

from __future__ import annotations

import hashlib
import shutil
import sys

import pytest


@pytest.fixture(autouse=True)
def own_process(monkeypatch):
    """What MLflow writes into the environment and the module path of its process ends with the test."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)
        sys.modules["mlflow"].set_registry_uri(None)


@pytest.fixture(scope="session")
def snapshot():
    """A function that tells every file under a folder by its sha256."""

    def taken(folder):
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    return taken


@pytest.fixture
def prepared(fresh, finished_root):
    """A project of the test's own on which `prepare` has run."""
    shutil.copytree(finished_root / "data" / "prepared", fresh.root / "data" / "prepared")
    return fresh


@pytest.fixture
def fitted(prepared, finished_root):
    """A project of the test's own on which `fit` has run too."""
    shutil.copytree(finished_root / "models", prepared.root / "models")
    return prepared


@pytest.fixture
def evaluated(fitted, finished_root):
    """A project of the test's own on which all stages but `track` have run."""
    shutil.copytree(finished_root / "reports", fitted.root / "reports")
    return fitted


@pytest.fixture
def with_models(evaluated, new_database):
    """A function that gives a project of the test's own with these models, tracked nowhere yet."""
    from stancemap.stages.select import select

    def given(*models):
        text = evaluated.pipeline_file.read_text()
        evaluated.pipeline_file.write_text(text.replace("majority, ngram, embedding-tiny", ", ".join(models)))
        select(evaluated, "withdrawal")
        shutil.copy(new_database, evaluated.root / "mlflow.db")
        return evaluated

    return given


@pytest.fixture
def two(with_models):
    """A project with two models, all stages done but `track`, and an empty database."""
    return with_models("majority", "ngram")


@pytest.fixture
def one(with_models):
    """The same with one model, which is quicker."""
    return with_models("majority")
