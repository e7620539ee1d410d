"""Which model is meant: a folder, an alias, a `models:/` address, or the champion; answered without MLflow if possible.

Why: the Model Registry says which version is live, but importing MLflow costs seconds. `track` leaves a pointer
to the files of the champion beside the artifacts; here it is used as long as the registry still agrees, which a
look at its database, or one request to its server, tells. Otherwise MLflow itself is asked.
"""

from __future__ import annotations

import json
import os
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from stancemap.errors import ModelError, RegistryError, explain
from stancemap.project import Project, locate

PREFIX = "stancemap-"
DEFAULT = "withdrawal"
SECONDS = 5.0


def resolve(model: str | Path | None = None) -> Path:
    """The folder of the model that is meant.

    Parameters
    ----------
    model : str or Path, optional
        A folder; an alias such as "challenger" of the default dataset's registered model; a registry address
        such as "models:/stancemap-withdrawal@champion"; by default `$STANCEMAP_MODEL`, else the champion.

    Raises
    ------
    ModelError
        When the folder does not exist.
    RegistryError
        When the registry holds no such model, version or alias.
    """
    meant = str(model or os.environ.get("STANCEMAP_MODEL") or "champion")
    if meant.startswith("models:/"):
        return _registered(meant)
    folder = Path(meant).expanduser()
    if folder.is_dir():
        return folder
    if folder.parts and (len(folder.parts) > 1 or folder.suffix):
        then = "Pass an existing folder, an alias, or models:/NAME@ALIAS"
        raise ModelError(explain(f"There is no model folder {meant}", then=then))
    return _registered(f"models:/{PREFIX}{DEFAULT}@{meant}")


def tracking_uri(project: Project | None) -> str:
    """`$MLFLOW_TRACKING_URI`, else the project's own SQLite database.

    Raises
    ------
    RegistryError
        When there is neither.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if given:
        return given
    if project is None:
        then = "Pass a model folder, set MLFLOW_TRACKING_URI, or train one with `dvc repro` in the repository"
        raise RegistryError(explain("There is no model registry here", then=then))
    return f"sqlite:///{project.home / 'mlflow.db'}"


def _registered(address: str) -> Path:
    project = locate()
    uri = tracking_uri(project)
    name, _, alias = address.removeprefix("models:/").partition("@")
    if project is not None and alias == "champion":
        pointed = _pointed(project, name, uri)
        if pointed is not None:
            return pointed
    from stancemap.tracking import download

    return download(address, uri)


def _pointed(project: Project, name: str, uri: str) -> Path | None:
    """The champion's folder by the pointer that `track` left; None when the registry says otherwise."""
    path = project.champion(name.removeprefix(PREFIX))
    try:
        pointer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        folder = path.parent / pointer["folder"]
        agreed = pointer["version"] == live_version(uri, name)
    except (OSError, ValueError, KeyError, sqlite3.Error):
        return None
    return folder if agreed and folder.is_dir() else None


def live_version(uri: str, name: str, alias: str = "champion") -> str | None:
    """The version that an alias names, asked of the database or the server without MLflow; None when unknown."""
    if uri.startswith("sqlite:///"):
        return _from_database(Path(uri.removeprefix("sqlite:///")), name, alias)
    if uri.startswith(("http://", "https://")):
        return _from_server(uri, name, alias)
    return None


def _from_database(path: Path, name: str, alias: str) -> str | None:
    query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
    with closing(sqlite3.connect(f"file:{urllib.parse.quote(str(path))}?mode=ro", uri=True)) as database:
        row = database.execute(query, (name, alias)).fetchone()
    return str(row[0]) if row else None


def _from_server(uri: str, name: str, alias: str) -> str | None:
    query = urllib.parse.urlencode({"name": name, "alias": alias})
    address = f"{uri.rstrip('/')}/api/2.0/mlflow/registered-models/alias?{query}"
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 - http(s) only, see the caller
        return str(json.load(answer)["model_version"]["version"])
