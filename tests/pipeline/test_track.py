"""`track`: MLflow matches the files, whatever happened to either."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.metadata import version

import pandas as pd
import pytest

from stancemap import predict
from stancemap.bundle import digest
from stancemap.errors import DataError
from stancemap.project import Project
from stancemap.registry import resolve
from stancemap.stages.evaluate import evaluate
from stancemap.stages.fit import fit
from stancemap.stages.select import select
from stancemap.stages.track import track

NAME = "stancemap-withdrawal"
LABELS = ["pro-withdrawal", "anti-withdrawal", "neutral"]
MODELS = ["majority", "ngram", "embedding-tiny"]
SENTENCE = "The general said his men must leave the valley before winter."


def uri_of(project):
    return f"sqlite:///{project.root / 'mlflow.db'}"


def client_of(project, uri=None):
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri or uri_of(project), registry_uri=uri or uri_of(project))


def runs_of(project, uri=None):
    client = client_of(project, uri)
    experiment = client.get_experiment_by_name(NAME)
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]) if experiment else []


def run_of(project, model):
    (run,) = [run for run in runs_of(project) if run.info.run_name == model]
    return run


def state_of(project, uri=None):
    """What MLflow holds: each run with its status, each version with its run, each alias with its version."""
    client, runs = client_of(project, uri), runs_of(project, uri)
    names = {run.info.run_id: run.info.run_name for run in runs}
    versions = client.search_model_versions(f"name = '{NAME}'")
    return {
        "runs": sorted((run.info.run_name, run.info.status) for run in runs),
        "versions": {str(one.version): names[one.run_id] for one in versions},
        "aliases": {key: str(value) for key, value in client.get_registered_model(NAME).aliases.items()},
    }


def ids_of(project):
    versions = client_of(project).search_model_versions(f"name = '{NAME}'")
    return {run.info.run_id for run in runs_of(project)}, {(one.version, one.run_id) for one in versions}


def metrics_of(project, model):
    return json.loads((project.report("withdrawal", model) / "metrics.json").read_text(encoding="utf-8"))


def say(project, **changes):
    """Let selection.json say something else."""
    path = project.reports("withdrawal") / "selection.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}))


def configure(project, old, new):
    assert old in project.pipeline_file.read_text()
    project.pipeline_file.write_text(project.pipeline_file.read_text().replace(old, new))


def test_every_model_has_one_finished_run_and_one_version(finished):
    state = state_of(finished)
    assert state["runs"] == sorted((model, "FINISHED") for model in MODELS)
    assert sorted(state["versions"].values()) == sorted(MODELS)


def test_the_aliases_name_the_champion_and_the_challenger_of_the_selection(finished):
    selection = json.loads((finished.reports("withdrawal") / "selection.json").read_text())
    state = state_of(finished)
    assert {alias: state["versions"][found] for alias, found in state["aliases"].items()} == {
        "champion": selection["champion"],
        "challenger": selection["challenger"],
    }


def test_a_run_has_the_params_of_its_model(finished):
    assert run_of(finished, "ngram").data.params == {
        "dataset": "withdrawal",
        "model": "ngram",
        "kind": "ngram",
        "c": "3.0",
        "min_rows": "3",
        "target_rows": "100",
        "seed": "7",
    }


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_run_has_every_score_with_its_interval_and_n(finished, split):
    measured, logged = metrics_of(finished, "ngram")[split], run_of(finished, "ngram").data.metrics
    expected = {f"{split}.n": measured["n"]}
    for name in ("macro_f1", "f_avg", "mcc", "accuracy", "log_loss", "ece"):
        expected[f"{split}.{name}"] = measured[name]["value"]
        expected |= {f"{split}.{name}.{bound}": measured[name][bound] for bound in ("low", "high")}
    for label in LABELS:
        for name in ("precision", "recall", "f1"):
            expected[f"{split}.{name}.{label}"] = measured["per_class"][label][name]
    kept = {name: value for name, value in logged.items() if name.startswith(f"{split}.")}
    assert {name: value for name, value in kept.items() if ".slice." not in name} == expected


def test_a_run_has_the_score_of_every_slice(finished):
    table = pd.read_csv(finished.report("withdrawal", "ngram") / "slices.csv")
    logged = {key: value for key, value in run_of(finished, "ngram").data.metrics.items() if ".slice." in key}
    assert logged == {f"test.slice.{one['slice']}.{one['value']}": one["macro_f1"] for one in table.to_dict("records")}


def test_a_slice_of_any_name_can_be_tracked(one):
    path = one.report("withdrawal", "majority") / "slices.csv"
    path.write_text("slice,value,n,macro_f1\ngenre,“odd”: 50 % of the troops’ base #1 (é),20,0.5\n", encoding="utf-8")
    track(one, "withdrawal")
    (logged,) = [key for key in run_of(one, "majority").data.metrics if ".slice." in key]
    assert logged == "test.slice.genre._odd__ 50 _ of the troops_ base _1 _é_"


def test_a_run_says_of_which_dataset_labels_and_target_it_is(finished):
    tags = run_of(finished, "ngram").data.tags
    assert {key: tags[key] for key in ("stancemap.dataset", "stancemap.target")} == {
        "stancemap.dataset": "withdrawal",
        "stancemap.target": "withdrawal of foreign troops",
    }


def test_a_run_has_the_git_commit_of_the_project(one):
    def git(*words):
        done = subprocess.run(["git", "-C", one.root, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    git("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "first")
    track(one, "withdrawal")
    assert run_of(one, "majority").data.tags["git.commit"] == git("rev-parse", "HEAD")


def test_a_run_has_the_report_as_artifacts(finished):
    listed = client_of(finished).list_artifacts(run_of(finished, "ngram").info.run_id, "report")
    assert [one.path for one in listed] == [
        "report/card.md",
        "report/confusion.csv",
        "report/confusion.png",
        "report/metrics.json",
        "report/reliability.csv",
        "report/reliability.png",
        "report/slices.csv",
        "report/slices.png",
    ]


def test_a_run_names_its_training_rows(finished):
    (given,) = run_of(finished, "ngram").inputs.dataset_inputs
    rows = finished.prepared("withdrawal") / "train.parquet"
    assert {"name": given.dataset.name, "digest": given.dataset.digest} == {
        "name": "withdrawal",
        "digest": digest(rows)[:16],
    }
    assert json.loads(given.dataset.profile)["num_rows"] == len(pd.read_parquet(rows))
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]


@pytest.fixture
def served(finished):
    """The registered version of a model as MLflow loads it."""
    import mlflow

    mlflow.set_tracking_uri(uri_of(finished))
    mlflow.set_registry_uri(uri_of(finished))
    versions = {model: number for number, model in state_of(finished)["versions"].items()}
    return lambda model: mlflow.pyfunc.load_model(f"models:/{NAME}/{versions[model]}")


def test_the_signature_takes_text_and_perhaps_a_target(served):
    signature = served("ngram").metadata.signature.to_dict()
    assert json.loads(signature["inputs"]) == [
        {"type": "string", "name": "text", "required": True},
        {"type": "string", "name": "target", "required": False},
    ]
    assert json.loads(signature["outputs"]) == [
        {"type": "string", "name": "label", "required": True},
        {"type": "double", "name": "p(pro-withdrawal)", "required": True},
        {"type": "double", "name": "p(anti-withdrawal)", "required": True},
        {"type": "double", "name": "p(neutral)", "required": True},
    ]


def test_the_input_example_can_be_answered(served):
    example = served("ngram").input_example
    assert list(example.columns) == ["text", "target"]
    assert len(served("ngram").predict(example)) == 1


def model_folders(project):
    return {
        json.loads(head.read_text(encoding="utf-8"))["about"]["model"]: head.parents[2]
        for head in (project.root / "mlartifacts").rglob("model.json")
    }


def test_the_requirements_are_the_versions_of_this_process(finished):
    lines = (model_folders(finished)["ngram"] / "requirements.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines]
    assert lines == [f"{name}=={version(name)}" for name in names]
    assert {"mlflow", "numpy", "onnxruntime", "scikit-learn", "tokenizers"} <= set(names)
    assert not {"torch", "transformers", "dvc", "datasets"} & set(names)


def test_the_logged_models_are_code_and_hold_no_pickle(finished):
    import yaml

    folders = model_folders(finished)
    assert sorted(folders) == sorted(MODELS)
    for folder in folders.values():
        flavors = yaml.safe_load((folder / "MLmodel").read_text())["flavors"]
        assert list(flavors) == ["python_function"]
        assert flavors["python_function"]["loader_module"] == "mlflow.pyfunc.loaders.code_model"
        assert "python_model" not in flavors["python_function"]
    files = [path for path in (finished.root / "mlartifacts").rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix in {".pkl", ".pickle", ".joblib", ".pt", ".bin"}] == []
    assert [path for path in files if path.read_bytes()[:1] == b"\x80"] == []


def test_a_registered_bundle_is_the_model_folder_byte_by_byte(finished, snapshot):
    for model, folder in model_folders(finished).items():
        assert snapshot(folder / "artifacts" / model) == snapshot(finished.model("withdrawal", model))


@pytest.mark.parametrize("alias", ["champion", "challenger"])
def test_an_alias_leads_to_the_files_of_its_model(finished, snapshot, alias):
    state = state_of(finished)
    folder = resolve(alias)
    assert snapshot(folder) == snapshot(finished.model("withdrawal", state["versions"][state["aliases"][alias]]))


def test_tracking_says_what_it_did_and_the_second_time_that_there_is_nothing_to_do(two):
    done = track(two, "withdrawal")
    runs = {run.info.run_name: run.info.run_id for run in runs_of(two)}
    assert done == [
        f"tracked majority as run {runs['majority']}",
        f"tracked ngram as run {runs['ngram']}",
        "champion of stancemap-withdrawal is now version 2 (ngram)",
        "challenger of stancemap-withdrawal is now version 1 (majority)",
    ]
    assert track(two, "withdrawal") == ["MLflow matches the files already"]


def test_tracking_twice_changes_nothing(two, snapshot):
    track(two, "withdrawal")
    before, files = (state_of(two), ids_of(two)), snapshot(two.root / "mlartifacts")
    track(two, "withdrawal")
    assert (state_of(two), ids_of(two)) == before
    assert snapshot(two.root / "mlartifacts") == files


def test_a_lost_database_comes_back_with_runs_versions_and_aliases_and_without_a_fit(
    two, new_database, tmp_path, monkeypatch, snapshot
):
    track(two, "withdrawal")
    other = Project(tmp_path / "other")  # MLflow keeps a database open that is deleted under it, so the rest moves
    shutil.copytree(two.root, other.root, ignore=shutil.ignore_patterns("mlflow.db"))
    shutil.copy(new_database, other.root / "mlflow.db")
    monkeypatch.chdir(other.root)
    before = snapshot(other.root / "models"), snapshot(other.root / "reports")
    track(other, "withdrawal")
    assert state_of(other) == state_of(two)
    assert (snapshot(other.root / "models"), snapshot(other.root / "reports")) == before
    assert predict(SENTENCE) == predict(SENTENCE, model=other.model("withdrawal", "ngram"))


def test_lost_artifacts_come_back(one):
    track(one, "withdrawal")
    shutil.rmtree(one.root / "mlartifacts")
    track(one, "withdrawal")
    assert predict(SENTENCE) == predict(SENTENCE, model=one.model("withdrawal", "majority"))


def test_the_champion_moves_when_the_selection_says_so(two):
    track(two, "withdrawal")
    say(two, champion="majority", challenger="ngram")
    assert track(two, "withdrawal") == [
        "champion of stancemap-withdrawal is now version 1 (majority)",
        "challenger of stancemap-withdrawal is now version 2 (ngram)",
    ]
    assert state_of(two)["aliases"] == {"champion": "1", "challenger": "2"}
    assert predict(SENTENCE) == predict(SENTENCE, model=two.model("withdrawal", "majority"))


def test_a_challenger_that_is_gone_loses_its_alias(two):
    track(two, "withdrawal")
    configure(two, "[majority, ngram]", "[ngram]")
    select(two, "withdrawal")
    track(two, "withdrawal")
    assert state_of(two)["aliases"] == {"champion": "2"}


def refit(project, config):
    project.model_file("majority").write_text(config)
    fit(project, "withdrawal", "majority")
    evaluate(project, "withdrawal", "majority")


def test_a_model_fitted_anew_gets_a_run_and_a_version_of_its_own(one):
    track(one, "withdrawal")
    refit(one, "kind: majority\nprior: 2.0\n")
    track(one, "withdrawal")
    assert state_of(one) == {
        "runs": [("majority", "FINISHED"), ("majority", "FINISHED")],
        "versions": {"1": "majority", "2": "majority"},
        "aliases": {"champion": "2"},
    }


def test_a_model_that_returns_to_what_it_was_gets_its_old_version_back(one):
    track(one, "withdrawal")
    refit(one, "kind: majority\nprior: 2.0\n")
    track(one, "withdrawal")
    refit(one, "kind: majority\n")
    assert track(one, "withdrawal") == ["champion of stancemap-withdrawal is now version 1 (majority)"]
    assert len(runs_of(one)) == 2


def failing_once(monkeypatch, owner, name, error):
    """Let a function of MLflow fail the first time it is called."""
    right = getattr(owner, name)

    def fails(*args, **kwargs):
        monkeypatch.setattr(owner, name, right)
        raise error

    monkeypatch.setattr(owner, name, fails)


def test_a_run_that_fails_half_way_is_not_finished_and_the_next_track_heals_it(one, monkeypatch):
    import mlflow

    failing_once(monkeypatch, mlflow.pyfunc, "log_model", OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space left on device"):
        track(one, "withdrawal")
    assert [(run.info.run_name, run.info.status) for run in runs_of(one)] == [("majority", "FAILED")]
    assert client_of(one).search_model_versions(f"name = '{NAME}'") == []
    track(one, "withdrawal")
    assert state_of(one) == {
        "runs": [("majority", "FAILED"), ("majority", "FINISHED")],
        "versions": {"1": "majority"},
        "aliases": {"champion": "1"},
    }


def test_a_run_whose_registration_failed_is_registered_the_next_time(one, monkeypatch):
    from mlflow import MlflowClient

    failing_once(monkeypatch, MlflowClient, "create_model_version", ConnectionError("the server went away"))
    with pytest.raises(ConnectionError, match="the server went away"):
        track(one, "withdrawal")
    track(one, "withdrawal")
    assert state_of(one) == {
        "runs": [("majority", "FINISHED")],
        "versions": {"1": "majority"},
        "aliases": {"champion": "1"},
    }


def test_the_tracking_uri_of_the_environment_is_respected(one, new_database, tmp_path, monkeypatch):
    shutil.copy(new_database, tmp_path / "elsewhere.db")
    uri = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    track(one, "withdrawal")
    assert state_of(one, uri)["aliases"] == {"champion": "1"}
    assert (one.root / "mlflow.db").read_bytes() == new_database.read_bytes()
    assert predict(SENTENCE) == predict(SENTENCE, model=one.model("withdrawal", "majority"))


def test_a_temporary_workspace_of_dvc_tracks_into_the_main_checkout_and_moves_no_alias(one, tmp_path, monkeypatch):
    workspace = Project(tmp_path / "workspace")
    shutil.copytree(one.root, workspace.root, ignore=shutil.ignore_patterns("mlflow.db"))
    monkeypatch.setenv("DVC_ROOT", str(one.root))
    monkeypatch.chdir(workspace.root)
    done = track(workspace, "withdrawal")
    assert done[1:] == ["an experiment in a workspace of its own: the aliases stay where they are"]
    assert state_of(one)["aliases"] == {}
    assert sorted(path.name for path in workspace.root.iterdir()) == ["configs", "data", "models", "reports"]
    shutil.rmtree(workspace.root)
    monkeypatch.chdir(one.root)
    assert track(one, "withdrawal") == ["champion of stancemap-withdrawal is now version 1 (majority)"]
    assert predict(SENTENCE) == predict(SENTENCE, model=one.model("withdrawal", "majority"))


def where_mlflow_is():
    import mlflow

    return mlflow.get_tracking_uri(), mlflow.get_registry_uri(), os.environ.get("MLFLOW_TRACKING_URI")


def test_tracking_and_predicting_leave_mlflow_of_this_process_where_it_was(one, tmp_path, monkeypatch):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'own.db'}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    before = where_mlflow_is()
    track(one, "withdrawal")
    assert where_mlflow_is() == before
    predict(SENTENCE, model=f"models:/{NAME}/1")
    assert where_mlflow_is() == before


def test_nothing_is_tracked_before_something_was_selected(prepared):
    with pytest.raises(DataError) as caught:
        track(prepared, "withdrawal")
    assert str(caught.value) == "Nothing was selected on withdrawal. Run `stancemap select withdrawal`."
    assert not (prepared.root / "mlflow.db").exists()


def answers_of(rows):
    return [(one.label, *one.probabilities.values()) for one in rows]


@pytest.mark.parametrize("model", MODELS)
def test_a_loaded_version_answers_what_predict_answers(served, finished, model):
    texts = [SENTENCE, "A vote on the bases is due in March.", "&quot;We stay,&quot; she said."]
    targets = ["withdrawal of US troops from Iraq", "withdrawal of foreign troops", "withdrawal of French troops"]
    found = served(model).predict(pd.DataFrame({"text": texts, "target": targets}))
    assert list(found.columns) == ["label", *(f"p({label})" for label in LABELS)]
    expected = predict(texts, targets, model=finished.model("withdrawal", model))
    assert list(found.itertuples(index=False, name=None)) == answers_of(expected)


def test_a_row_without_a_target_gets_the_generic_one_and_the_others_keep_theirs(served, finished):
    texts, aim = [SENTENCE, SENTENCE], "withdrawal of US troops from Iraq"
    found = served("embedding-tiny").predict(pd.DataFrame({"text": texts, "target": [aim, None]}))
    folder = finished.model("withdrawal", "embedding-tiny")
    expected = predict(texts, [aim, "withdrawal of foreign troops"], model=folder)
    assert list(found.itertuples(index=False, name=None)) == answers_of(expected)


@pytest.fixture
def ask(served):
    """A function that sends rows to the scoring server of MLflow and returns status and answer."""
    from mlflow.pyfunc import scoring_server
    from starlette.testclient import TestClient

    from stancemap.quiet import quiet

    with quiet(), TestClient(scoring_server.init(served("embedding-tiny"))) as client:

        def sent(columns, rows):
            body = {"dataframe_split": {"columns": columns, "data": rows}}
            answer = client.post("/invocations", json=body)
            return answer.status_code, answer.json()

        yield sent


def test_the_server_answers_like_predict(ask, finished):
    status, answer = ask(["text"], [[SENTENCE]])
    expected = predict(SENTENCE, model=finished.model("withdrawal", "embedding-tiny"))
    probabilities = {f"p({label})": value for label, value in expected.probabilities.items()}
    assert (status, answer) == (200, {"predictions": [{"label": expected.label, **probabilities}]})


def test_the_server_refuses_a_wrong_column_with_400_and_its_name(ask):
    status, answer = ask(["sentence"], [[SENTENCE]])
    assert status == 400
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert "Model is missing inputs ['text']" in answer["message"]


def test_the_server_refuses_an_unusable_text_with_400_and_the_reason(ask):
    status, answer = ask(["text"], [[SENTENCE], [""]])
    assert status == 400
    assert answer["message"].endswith(
        "Error: text 1: The text is empty. Got: ''. Allowed: a string of 1 to 10,000 characters. "
        "Fill it in or drop the row."
    )


def test_the_server_refuses_a_target_of_another_family_with_400_and_the_reason(ask):
    status, answer = ask(["text", "target"], [[SENTENCE, "a carbon tax"]])
    assert status == 400
    assert "The target is outside the family of the model embedding-tiny on withdrawal." in answer["message"]
