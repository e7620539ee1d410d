"""`select`: the best on validation by the configured metric, and how sure that is."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from stancemap.errors import ConfigError, DataError
from stancemap.stages.select import select

LABELS = ["pro-withdrawal", "anti-withdrawal", "neutral"]
MODELS = ("majority", "ngram", "embedding-tiny")


def say(project, model, hits, sure):
    """Let a model be right on the first `hits` of 60 rows, each a document, with probability `sure` for its answer."""
    truth = np.arange(60) % 3
    said = np.where(np.arange(60) < hits, truth, (truth + 1) % 3)
    probabilities = np.full((60, 3), (1 - sure) / 2)
    probabilities[np.arange(60), said] = sure
    rows = [str(number) for number in range(60)]
    table = pd.DataFrame({"id": rows, "document": rows, "target": "t", "label": [LABELS[label] for label in truth]})
    table["weight"] = 1.0
    table[[f"p({label})" for label in LABELS]] = probabilities
    table.to_parquet(project.report("withdrawal", model) / "details" / "predictions-validation.parquet", index=False)


def weigh(project, weights):
    """Give the 60 rows of every model these weights."""
    for model in MODELS:
        path = project.report("withdrawal", model) / "details" / "predictions-validation.parquet"
        table = pd.read_parquet(path)
        table["weight"] = weights
        table.to_parquet(path, index=False)


def configure(project, old, new):
    assert old in project.pipeline_file.read_text()
    project.pipeline_file.write_text(project.pipeline_file.read_text().replace(old, new))


def ranking(selection):
    return [selection["champion"], *(one["model"] for one in selection["others"])]


@pytest.fixture
def told(evaluated):
    """Three models whose predictions are known: ngram is right most often, but much too sure when it is wrong."""
    say(evaluated, "majority", hits=20, sure=0.4)
    say(evaluated, "ngram", hits=50, sure=0.99)
    say(evaluated, "embedding-tiny", hits=45, sure=0.7)
    return evaluated


def test_the_champion_of_the_finished_project_is_the_best_on_validation(finished):
    metrics = {
        model: json.loads((finished.report("withdrawal", model) / "metrics.json").read_text())["validation"]
        for model in MODELS
    }
    best = sorted(MODELS, key=lambda model: -metrics[model]["macro_f1"]["value"])
    selection = json.loads((finished.reports("withdrawal") / "selection.json").read_text())
    assert ranking(selection) == best
    assert {key: selection[key] for key in ("metric", "split", "n", "champion", "challenger")} == {
        "metric": "macro_f1",
        "split": "validation",
        "n": metrics[best[0]]["n"],
        "champion": best[0],
        "challenger": best[1],
    }


def test_the_models_are_ranked_by_their_validation_scores(told):
    assert ranking(select(told, "withdrawal")) == ["ngram", "embedding-tiny", "majority"]


@pytest.mark.parametrize("metric", ["accuracy", "f_avg", "macro_f1", "mcc"])
def test_of_most_metrics_the_highest_wins(told, metric):
    configure(told, "metric: macro_f1", f"metric: {metric}")
    assert ranking(select(told, "withdrawal")) == ["ngram", "embedding-tiny", "majority"]


def test_of_log_loss_the_lowest_wins(told):
    configure(told, "metric: macro_f1", "metric: log_loss")
    found = select(told, "withdrawal")
    assert ranking(found) == ["embedding-tiny", "ngram", "majority"]
    losses = {"embedding-tiny": loss(45, 0.7), "ngram": loss(50, 0.99), "majority": loss(20, 0.4)}
    for one in found["others"]:
        assert one["behind"] == pytest.approx(losses[one["model"]] - losses["embedding-tiny"], abs=1e-6)
        assert one["low"] <= one["behind"] <= one["high"]


def loss(hits, sure):
    return -(hits * np.log(sure) + (60 - hits) * np.log((1 - sure) / 2)) / 60


def test_of_the_calibration_error_the_lowest_wins(told):
    configure(told, "metric: macro_f1", "metric: ece")
    assert ranking(select(told, "withdrawal")) == ["embedding-tiny", "majority", "ngram"]  # 0.05, 0.067, 0.157


def test_accuracy_behind_is_the_gap_between_the_two(told):
    configure(told, "metric: macro_f1", "metric: accuracy")
    assert {one["model"]: one["behind"] for one in select(told, "withdrawal")["others"]} == {
        "embedding-tiny": round(5 / 60, 6),
        "majority": 0.5,
    }


def test_sure_is_a_share_and_grows_with_the_gap(told):
    near, far = (one["sure"] for one in select(told, "withdrawal")["others"])
    assert 0 < near <= far <= 1
    assert far > 0.99


def test_nothing_is_sure_between_twins_and_the_one_named_first_wins(told):
    for model in MODELS:
        say(told, model, hits=40, sure=0.8)
    found = select(told, "withdrawal")
    assert ranking(found) == list(MODELS)
    assert found["others"] == [
        {"model": model, "behind": 0.0, "low": 0.0, "high": 0.0, "sure": 0.0} for model in MODELS[1:]
    ]


def test_rows_of_one_document_are_no_independent_witnesses(told):
    """The same predictions, sixty documents or three: the fewer there are, the less sure it is."""
    many = select(told, "withdrawal")["others"][0]
    for model in MODELS:
        path = told.report("withdrawal", model) / "details" / "predictions-validation.parquet"
        pd.read_parquet(path).assign(document=[str(number // 20) for number in range(60)]).to_parquet(path)
    few = select(told, "withdrawal")["others"][0]
    assert few["behind"] == many["behind"]
    assert few["sure"] < many["sure"]


def test_a_single_model_has_no_challenger(told):
    configure(told, "[majority, ngram, embedding-tiny]", "[majority]")
    assert select(told, "withdrawal") == {
        "metric": "macro_f1",
        "split": "validation",
        "n": 60,
        "champion": "majority",
        "challenger": None,
        "others": [],
    }


def test_what_is_returned_is_what_is_written(told):
    found = select(told, "withdrawal")
    assert json.loads((told.reports("withdrawal") / "selection.json").read_text(encoding="utf-8")) == found


def test_selecting_twice_gives_the_same_bytes(evaluated, snapshot):
    before = snapshot(evaluated.root / "reports")
    select(evaluated, "withdrawal")
    assert snapshot(evaluated.root / "reports") == before


def test_the_leaderboard_shows_each_model_with_n_and_intervals_on_test(finished):
    head, rule, *rows = (finished.reports("withdrawal") / "leaderboard.md").read_text(encoding="utf-8").splitlines()
    assert head == "| model | n | macro-F1 | F_avg | MCC | log-loss | ECE |"
    assert rule == "| --- | --- | --- | --- | --- | --- | --- |"
    metrics = {
        model: json.loads((finished.report("withdrawal", model) / "metrics.json").read_text())["test"]
        for model in MODELS
    }
    best = sorted(MODELS, key=lambda model: -metrics[model]["macro_f1"]["value"])
    assert [row.split(" | ")[:3] for row in rows] == [
        [f"| {model}", str(metrics[model]["n"]), shown(metrics[model]["macro_f1"])] for model in best
    ]


def shown(one):
    return f"{one['value']:.3f} [{one['low']:.3f}–{one['high']:.3f}]"


def test_an_unknown_metric_is_refused_with_the_nearest_one(evaluated, snapshot):
    configure(evaluated, "metric: macro_f1", "metric: macro_f2")
    before = snapshot(evaluated.root)
    with pytest.raises(ConfigError) as caught:
        select(evaluated, "withdrawal")
    assert str(caught.value) == (
        f"{evaluated.pipeline_file}: unknown metric. Got: 'macro_f2'. "
        "Allowed: accuracy, ece, f_avg, log_loss, macro_f1, mcc (did you mean macro_f1?)."
    )
    assert snapshot(evaluated.root) == before


def test_a_model_that_was_not_evaluated_is_refused(evaluated, snapshot):
    (evaluated.report("withdrawal", "ngram") / "metrics.json").unlink()
    before = snapshot(evaluated.root)
    with pytest.raises(DataError) as caught:
        select(evaluated, "withdrawal")
    assert str(caught.value) == (
        "The model ngram was not evaluated on withdrawal. Run `stancemap evaluate withdrawal ngram`."
    )
    assert snapshot(evaluated.root) == before


def test_models_that_were_scored_on_different_rows_are_not_compared(told):
    path = told.report("withdrawal", "ngram") / "details" / "predictions-validation.parquet"
    pd.read_parquet(path).head(59).to_parquet(path)
    with pytest.raises(DataError) as caught:
        select(told, "withdrawal")
    assert str(caught.value) == (
        "The models majority and ngram were scored on different rows of withdrawal. "
        "Run `stancemap evaluate withdrawal ngram` again, or `dvc repro`."
    )


def test_rows_that_count_less_in_training_do_not_judge(told):
    """On the last 15 rows only the model that is right most often is wrong throughout."""
    say(told, "majority", hits=60, sure=0.4)
    weigh(told, [0.3] * 45 + [1.0] * 15)
    selection = select(told, "withdrawal")
    assert (selection["champion"], selection["n"]) == ("majority", 15)
    assert [round(one["behind"], 2) for one in selection["others"]] == [0.67, 1.0]


def test_rows_that_judge_one_model_must_judge_the_others_too(told):
    weigh(told, [1.0] * 30 + [0.3] * 30)
    path = told.report("withdrawal", "majority") / "details" / "predictions-validation.parquet"
    table = pd.read_parquet(path)
    table["weight"] = [0.3] * 30 + [1.0] * 30
    table.to_parquet(path, index=False)
    with pytest.raises(DataError, match=r"were scored on different rows of withdrawal"):
        select(told, "withdrawal")


def test_judging_rows_must_hold_every_label(told):
    weigh(told, [1.0, 0.3, 0.3] * 20)
    with pytest.raises(DataError) as error:
        select(told, "withdrawal")
    assert str(error.value) == (
        "The validation rows of withdrawal that have the greatest weight lack a label. Mend `weights` in the dataset's "
        "config."
    )


def test_a_report_from_before_rows_had_weights_is_refused(told):
    path = told.report("withdrawal", "ngram") / "details" / "predictions-validation.parquet"
    pd.read_parquet(path).drop(columns="weight").to_parquet(path, index=False)
    with pytest.raises(DataError) as error:
        select(told, "withdrawal")
    assert str(error.value) == (
        "The report of ngram on withdrawal is of an older stancemap. Run `stancemap evaluate withdrawal ngram` again, "
        "or `dvc repro`."
    )
