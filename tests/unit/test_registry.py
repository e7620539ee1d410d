"""Which model is meant: its files are found among the project's own, and a silent server is noticed soon."""

from __future__ import annotations

import contextlib
import errno
import http.server
import json
import os
import shutil
import socket
import sqlite3
import threading
import time

import pytest

from stancemap.bundle import read_head
from stancemap.errors import RegistryError
from stancemap.registry import resolve, tracking_uri

NAME = "stancemap-withdrawal"
CHAMPION = f"models:/{NAME}@champion"
AFTER = "Train one with `dvc repro`, or pass a model folder such as models/withdrawal/ngram."


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """No registry or model named in the environment, and no proxy before a server of the test's own."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "STANCEMAP_MODEL", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def moved(finished, tmp_path, monkeypatch):
    """A copy of the finished project elsewhere, as the current folder; its database still names the old places."""
    root = tmp_path / "moved here"
    for folder in ("configs", "mlartifacts"):
        shutil.copytree(finished.root / folder, root / folder)
    shutil.copy(finished.root / "mlflow.db", root)
    monkeypatch.chdir(root)
    return type(finished)(root)


@pytest.fixture
def change(moved):
    """A function that changes the registry behind the pointer's back."""

    def run(*statements):
        with contextlib.closing(sqlite3.connect(moved.root / "mlflow.db")) as database, database:
            for statement in statements:
                database.execute(statement)

    return run


@pytest.fixture
def server(monkeypatch):
    """A function that starts a registry that always gives one answer; its `asked` are the paths."""
    started = []

    def start(status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.server.asked.append(self.path)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        found.asked = []
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        started.append((found, thread))
        found.uri = f"http://127.0.0.1:{found.server_port}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", found.uri)
        return found

    yield start
    for found, thread in started:
        found.shutdown()
        thread.join()
        found.server_close()


def about(folder):
    """The name of the model that lies in a folder."""
    return read_head(folder)["about"]["model"]


def source(project, alias="champion"):
    """Where the registry says the files of an alias are."""
    query = (
        "SELECT source FROM model_versions v JOIN registered_model_aliases a ON a.version = v.version WHERE alias = ?"
    )
    with contextlib.closing(sqlite3.connect(project.root / "mlflow.db")) as database:
        return database.execute(query, (alias,)).fetchone()[0]


def refusal(model=None):
    """The message with which the registry refuses."""
    with pytest.raises(RegistryError) as raised:
        resolve(model)
    return str(raised.value)


@pytest.mark.parametrize("model", [None, "champion", CHAMPION])
def test_the_champion_is_the_selected_one_and_lies_among_the_artifacts(finished, model):
    selected = json.loads((finished.reports("withdrawal") / "selection.json").read_text())["champion"]
    assert resolve(model).is_relative_to(finished.root / "mlartifacts")
    assert about(resolve(model)) == selected


@pytest.mark.parametrize("model", [None, CHAMPION, "challenger", f"models:/{NAME}/1"])
def test_a_project_that_was_moved_still_answers_from_its_own_files(moved, model):
    assert resolve(model).is_relative_to(moved.root)


def test_a_folder_below_the_project_finds_it(moved, monkeypatch):
    monkeypatch.chdir(moved.root / "configs" / "models")
    assert resolve().is_relative_to(moved.root)


def test_the_database_of_the_main_checkout_counts_in_a_workspace_of_dvc(moved, tmp_path, monkeypatch):
    shutil.copytree(moved.root / "configs", tmp_path / "workspace" / "configs")
    monkeypatch.chdir(tmp_path / "workspace")
    monkeypatch.setenv("DVC_ROOT", str(moved.root))
    assert resolve().is_relative_to(moved.root)


def test_an_alias_that_moved_is_followed(moved, change):
    change("UPDATE registered_model_aliases SET version = 1 WHERE alias = 'champion'")
    assert about(resolve()) == "majority"


@pytest.mark.parametrize("gone", ["folder", "head"])
def test_files_that_are_gone_are_left_to_mlflow(moved, finished, gone):
    folder = resolve()
    if gone == "folder":
        shutil.rmtree(folder)
    else:
        (folder / "model.json").unlink()
    assert resolve().is_relative_to(finished.root)
    assert about(resolve()) == about(finished.root / "mlartifacts" / folder.relative_to(moved.root / "mlartifacts"))


def test_asking_mlflow_leaves_nothing_in_the_environment(moved, monkeypatch):
    before = dict(os.environ)
    shutil.rmtree(moved.root / "mlartifacts")
    resolve("challenger")
    assert dict(os.environ) == before


def test_a_registry_without_champion_says_so(moved, change):
    change("DELETE FROM registered_model_aliases WHERE alias = 'champion'")
    assert refusal() == f"The registry holds no model {CHAMPION}. Allowed: challenger. {AFTER}"


def test_an_empty_registry_says_so(moved, change):
    change("DELETE FROM registered_model_aliases", "DELETE FROM model_versions", "DELETE FROM registered_models")
    assert refusal() == f"The registry holds no model {CHAMPION}. Allowed: none there yet. {AFTER}"


def test_an_unknown_alias_is_refused_with_the_nearest(moved):
    assert refusal("chalenger") == (
        f"The registry holds no model models:/{NAME}@chalenger. Allowed: challenger, champion (did you mean "
        f"challenger?). {AFTER}"
    )


def test_an_unknown_model_is_refused(moved):
    address = "models:/stancemap-taxes@champion"
    assert refusal(address) == f"The registry holds no model {address}. Allowed: none there yet. {AFTER}"


def test_an_unknown_version_is_refused(moved):
    assert refusal(f"models:/{NAME}/99") == (
        f"The registry holds no model models:/{NAME}/99: Model Version (name={NAME}, version=99) not found. Train one "
        "with `dvc repro`, or pass a model folder."
    )


def test_a_missing_database_is_refused_and_not_made(moved):
    path = moved.root / "mlflow.db"
    path.unlink()
    assert refusal() == f"There is no model registry yet: no file {path}. {AFTER}"
    assert not path.exists()


def test_a_database_of_another_version_is_left_to_mlflow(moved, change):
    change(
        "ALTER TABLE registered_model_aliases RENAME TO aliases_of_another_version",
        "UPDATE alembic_version SET version_num = 'another'",
    )
    assert refusal() == (
        f"The model registry sqlite:///{moved.root / 'mlflow.db'} cannot be read: Can't locate revision identified by "
        "'another'. Use the MLflow that wrote it, or pass a model folder."
    )


def test_a_file_that_is_no_database_is_refused(moved):
    (moved.root / "mlflow.db").write_bytes(b"x" * 4096)
    assert refusal() == (
        f"The model registry sqlite:///{moved.root / 'mlflow.db'} cannot be read: (sqlite3.DatabaseError) file is not "
        "a database. Use the MLflow that wrote it, or pass a model folder."
    )


def test_the_environment_may_name_another_database(moved, finished, monkeypatch):
    elsewhere = shutil.copy(moved.root / "mlflow.db", moved.root / "other 100%.db")
    (moved.root / "mlflow.db").unlink()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}")
    assert resolve().is_relative_to(moved.root)


def test_without_a_project_and_an_address_there_is_no_registry():
    with pytest.raises(RegistryError) as raised:
        tracking_uri(None)
    assert str(raised.value) == (
        "There is no model registry here. Pass a model folder, set MLFLOW_TRACKING_URI, or train one with `dvc repro` "
        "in the repository."
    )


def holding(path):
    """What a server says that keeps a version's files under a path of its own."""
    return {"model_version": {"version": "9", "source": f"mlflow-artifacts:/1/{path}"}}


ASKED = {
    None: f"registered-models/alias?name={NAME}&alias=champion",
    "challenger": f"registered-models/alias?name={NAME}&alias=challenger",
    f"models:/{NAME}/9": f"model-versions/get?name={NAME}&version=9",
}


@pytest.mark.parametrize("model", ASKED)
def test_a_server_is_asked_once_when_the_files_are_at_hand(moved, server, model):
    found = server(200, holding(source(moved).partition("stancemap-withdrawal/")[2]))
    assert resolve(model).is_relative_to(moved.root)
    assert found.asked == [f"/api/2.0/mlflow/{ASKED[model]}"]


def test_other_files_of_a_server_are_not_the_champion(moved, server):
    found = server(200, holding(f"models/m-{'0' * 32}/artifacts"))
    assert refusal() == f"The registered model {CHAMPION} holds no stancemap bundle."
    assert len(found.asked) > 1


def test_a_server_without_the_model_is_refused(moved, server):
    server(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Registered model alias champion not found."})
    assert refusal() == (
        f"The registry holds no model {CHAMPION}: RESOURCE_DOES_NOT_EXIST: Registered model alias champion not found. "
        "Train one with `dvc repro`, or pass a model folder."
    )


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_busy_is_not_asked_for_minutes(moved, server, status):
    found = server(status, {})
    reason = {429: "Too Many Requests", 503: "Service Unavailable"}[status]
    assert refusal() == (
        f"The model registry {found.uri} gives no answer: {status} {reason}. Start it, mend MLFLOW_TRACKING_URI, or "
        "pass a model folder."
    )
    assert len(found.asked) == 1


@pytest.mark.parametrize("address", [None, "challenger", f"models:/{NAME}/1"])
def test_a_server_that_is_not_there_is_noticed_at_once(moved, monkeypatch, address):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    before = time.perf_counter()
    assert refusal(address) == (
        f"The model registry http://127.0.0.1:{port} gives no answer: [Errno {errno.ECONNREFUSED}] "
        f"{os.strerror(errno.ECONNREFUSED)}. Start it, mend MLFLOW_TRACKING_URI, or pass a model folder."
    )
    assert time.perf_counter() - before < 2


def test_a_page_that_is_no_registry_is_left_to_mlflow(moved, server):
    found = server(200, b"<html>hello</html>")
    assert refusal().startswith(f"The registry holds no model {CHAMPION}: ")
    assert len(found.asked) > 1


def test_a_password_is_not_shown(moved, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://someone:secret@127.0.0.1:9/mlflow")
    message = refusal()
    assert "secret" not in message
    assert message.startswith("The model registry postgresql://127.0.0.1:9/mlflow cannot be read: ")
