"""Which model is meant: a folder, an alias, a `models:/` address, or the champion; answered without MLflow if possible.

Why: the Model Registry says which version is live, but importing MLflow costs seconds. A look at its database, or
one request to its server, tells the version's model id, and the files of that id lie among the project's artifacts,
wherever the project was moved. Otherwise MLflow itself is asked.
"""

from __future__ import annotations

import os
import re
import sqlite3
import urllib.parse
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from stancemap.bundle import HEAD
from stancemap.errors import InputError, ModelError, RegistryError, StancemapError, explain, nearest
from stancemap.project import Project, locate

PREFIX = "stancemap-"
DEFAULT = "withdrawal"
SECONDS = 5.0  # to wait for a server
MODEL_ID = re.compile(r"\bm-[0-9a-f]{32}\b")  # MLflow's name of a logged model, the same wherever its files lie
_TRAIN = "Train one with `dvc repro`, or pass a model folder such as models/withdrawal/ngram"
_ALLOWED = "a folder, an alias, or models:/NAME@ALIAS"


def resolve(model: str | Path | None = None) -> Path:
    """The folder of the model that is meant.

    Parameters
    ----------
    model : str or Path, optional
        A folder; an alias such as "challenger" of the default dataset's registered model; a registry address
        such as "models:/stancemap-withdrawal@champion"; by default `$STANCEMAP_MODEL`, else the champion.

    Raises
    ------
    InputError
        When it is empty, or neither a string nor a path.
    ModelError
        When the folder does not exist.
    RegistryError
        When the registry holds no such model, version or alias, or cannot be asked.
    """
    given = model if model is not None else os.environ.get("STANCEMAP_MODEL") or "champion"
    if not isinstance(given, str | Path):
        raise InputError(explain(f"model is of type {type(given).__name__}", allowed=_ALLOWED))
    meant = str(given)
    if not meant:
        raise InputError(explain("model is empty", allowed=_ALLOWED, then="Leave it out for the champion"))
    if meant.startswith("models:/"):
        return _registered(meant)
    folder = Path(meant)
    try:
        folder = folder.expanduser()
        if folder.is_dir():
            return folder
    except (OSError, RuntimeError):  # longer than a name can be, or in the home of nobody
        pass
    if folder.parts and (len(folder.parts) > 1 or folder.suffix):
        _refuse_folder(meant, folder)
    return _registered(f"models:/{PREFIX}{DEFAULT}@{meant}")


def _refuse_folder(meant: str, folder: Path) -> NoReturn:
    try:
        beside = [head.parent.name for head in folder.parent.glob(f"*/{HEAD}")]
    except OSError:
        beside = []
    wrong = f"There is no model folder {meant}"
    then = "Pass an existing folder, an alias, or models:/NAME@ALIAS"
    raise ModelError(explain(wrong, allowed=nearest(folder.name, beside) if beside else None, then=then))


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
    source = source_of(uri, address)
    found = None if project is None or source is None else _at_hand(project, source)
    return found or _downloaded(address, uri)


def _at_hand(project: Project, source: str) -> Path | None:
    """The files of a registered version among the project's artifacts."""
    ids = MODEL_ID.findall(source)
    pattern = f"*/models/{ids[-1]}/artifacts/artifacts/*/{HEAD}" if ids else "nothing"
    heads = sorted((project.home / "mlartifacts").glob(pattern))
    return heads[0].parent if heads else None


def _downloaded(address: str, uri: str) -> Path:
    from stancemap.tracking import download

    try:
        return download(address, uri)
    except StancemapError:
        raise
    except Exception as error:  # noqa: BLE001 - MLflow, SQLAlchemy and Alembic each have errors of their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        wrong = f"The model registry {_shown(uri)} cannot be read: {reason}"
        then = "Use the MLflow that wrote it, or pass a model folder"
        raise RegistryError(explain(wrong, then=then)) from None


def source_of(uri: str, address: str) -> str | None:
    """Where the registry says the files of a version are, asked without MLflow; None when only MLflow can tell.

    Parameters
    ----------
    uri : str
        The registry: a database or a server.
    address : str
        models:/NAME@ALIAS or models:/NAME/VERSION.

    Raises
    ------
    RegistryError
        When there is no database, no answer from the server, or no such alias in the database.
    """
    name, _, alias = address.removeprefix("models:/").partition("@")
    name, _, version = name.partition("/")
    if uri.startswith("sqlite:///"):
        sources = _from_database(Path(uri.removeprefix("sqlite:///").partition("?")[0]), name, by_alias=bool(alias))
        if alias and sources is not None and alias not in sources:
            wrong = f"The registry holds no model {address}"
            raise RegistryError(explain(wrong, allowed=nearest(alias, sources), then=_TRAIN))
        return None if sources is None else sources.get(alias or version)
    if uri.startswith(("http://", "https://")):
        which = {"alias": alias} if alias else {"version": version}
        return _from_server(uri, "registered-models/alias" if alias else "model-versions/get", {"name": name, **which})
    return None


def _from_database(path: Path, name: str, *, by_alias: bool) -> dict[str, str] | None:
    if not path.is_file():  # MLflow would make one, and find it empty
        raise RegistryError(explain(f"There is no model registry yet: no file {path}", then=_TRAIN))
    versions = "SELECT version, source FROM model_versions WHERE name = ?"
    aliases = (
        "SELECT a.alias, v.source FROM registered_model_aliases a "
        "JOIN model_versions v ON v.name = a.name AND v.version = a.version WHERE a.name = ?"
    )
    try:
        with closing(sqlite3.connect(f"file:{urllib.parse.quote(str(path))}?mode=ro", uri=True)) as database:
            rows = database.execute(aliases if by_alias else versions, (name,))
            return {str(key): str(source) for key, source in rows}
    except sqlite3.Error:  # of another version, or in use
        return None


def _from_server(uri: str, endpoint: str, wanted: dict[str, str]) -> str | None:
    import http.client
    import json
    import socket
    import urllib.error
    import urllib.request

    address = f"{uri.rstrip('/')}/api/2.0/mlflow/{endpoint}?{urllib.parse.urlencode(wanted)}"
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 - http(s), see the caller
            return str(json.load(answer)["model_version"]["source"])
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in {408, 429} or error.code >= 500:  # MLflow would ask again for minutes
            raise _unanswered(uri, f"{error.code} {error.reason}") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError | ConnectionError | socket.gaierror):
            raise _unanswered(uri, reason) from None
    except (http.client.HTTPException, ValueError, KeyError, TypeError):
        pass
    return None  # MLflow knows how to log in, what certificates to trust, and what to say


def _unanswered(uri: str, reason: object) -> RegistryError:
    then = "Start it, mend MLFLOW_TRACKING_URI, or pass a model folder"
    return RegistryError(explain(f"The model registry {_shown(uri)} gives no answer: {reason}", then=then))


def _shown(uri: str) -> str:
    """An address without the password in it."""
    return re.sub(r"//[^/@]*@", "//", uri)
