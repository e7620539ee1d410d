"""`evaluate`: every number can be counted again from the predictions, and a foreign file is scored alike."""

from __future__ import annotations

import csv
import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from stancemap.errors import DataError, ModelError
from stancemap.metrics import METRICS
from stancemap.stages.evaluate import SMALLEST, evaluate, evaluate_file

LABELS = ["pro-withdrawal", "anti-withdrawal", "neutral"]
MODELS = ("majority", "ngram", "embedding-tiny")
SPLITS = ("validation", "test")
both_splits = pytest.mark.parametrize("split", SPLITS)
all_models = pytest.mark.parametrize("model", MODELS)


def report(project, model):
    return project.report("withdrawal", model)


def metrics_of(project, model):
    return json.loads((report(project, model) / "metrics.json").read_text(encoding="utf-8"))


def predictions(project, model, split):
    return pd.read_parquet(report(project, model) / "details" / f"predictions-{split}.parquet")


def rows_of(project, split):
    return pd.read_parquet(project.prepared("withdrawal") / f"{split}.parquet")


def table(project, model, name):
    with (report(project, model) / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@both_splits
@all_models
def test_every_metric_has_its_interval_and_the_split_its_n_and_documents(finished, model, split):
    found, rows = metrics_of(finished, model)[split], rows_of(finished, split)
    assert list(found) == ["n", "documents", "macro_f1", "f_avg", "mcc", "accuracy", "log_loss", "ece", "per_class"]
    assert {"n": found["n"], "documents": found["documents"]} == {
        "n": len(rows),
        "documents": rows["document"].nunique(),
    }
    for name in METRICS:
        assert list(found[name]) == ["value", "low", "high"]
        assert found[name]["low"] <= found[name]["high"]


@both_splits
@pytest.mark.parametrize("name", ["macro_f1", "f_avg", "mcc", "accuracy", "log_loss"])
def test_the_value_lies_in_its_interval(finished, split, name):
    found = metrics_of(finished, "ngram")[split][name]
    assert found["low"] < found["value"] < found["high"]


@both_splits
@all_models
def test_the_predictions_are_of_every_row_of_the_split(finished, model, split):
    found, rows = predictions(finished, model, split), rows_of(finished, split)
    assert list(found.columns) == ["id", "document", "target", "label", "weight", *(f"p({label})" for label in LABELS)]
    for column in ("id", "document", "target"):
        assert found[column].tolist() == rows[column].tolist()
    assert found["label"].tolist() == [LABELS[index] for index in rows["label"]]


@both_splits
@all_models
def test_the_metrics_can_be_counted_again_from_the_predictions(finished, model, split):
    from sklearn import metrics

    found, kept = metrics_of(finished, model)[split], predictions(finished, model, split)
    probabilities = kept[[f"p({label})" for label in LABELS]].to_numpy()
    truth = [LABELS.index(label) for label in kept["label"]]
    said = probabilities.argmax(axis=1)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    again = {
        "macro_f1": metrics.f1_score(truth, said, average="macro", zero_division=0),
        "f_avg": metrics.f1_score(truth, said, labels=[0, 1], average="macro", zero_division=0),
        "mcc": metrics.matthews_corrcoef(truth, said),
        "accuracy": metrics.accuracy_score(truth, said),
        "log_loss": metrics.log_loss(truth, probabilities),
    }
    assert {name: found[name]["value"] for name in again} == pytest.approx(again, abs=1e-6)


@both_splits
def test_the_scores_of_each_label_can_be_counted_again_from_the_predictions(finished, split):
    kept = predictions(finished, "ngram", split)
    said = kept[[f"p({label})" for label in LABELS]].to_numpy().argmax(axis=1)
    for number, label in enumerate(LABELS):
        hits = int(((said == number) & (kept["label"] == label)).sum())
        named, there = int((said == number).sum()), int((kept["label"] == label).sum())
        again = {"precision": hits / named, "recall": hits / there, "f1": 2 * hits / (named + there), "n": there}
        found = metrics_of(finished, "ngram")[split]["per_class"][label]
        assert {name: found[name] for name in again} == pytest.approx(again, abs=1e-6)
        assert 0 <= found["f1_low"] <= found["f1_high"] <= 1


@all_models
def test_a_slice_has_the_n_of_its_target_genre_or_tag_and_none_is_left_out(finished, model):
    rows = rows_of(finished, "test")
    counted = {("target", value): n for value, n in Counter(rows["target"]).items()}
    counted |= {(kind, value): n for kind in ("genre", "register") for value, n in Counter(rows[kind]).items()}
    counted |= {("tags", value): n for value, n in Counter(tag for tags in rows["tags"] for tag in tags).items()}
    found = {(one["slice"], one["value"]): int(one["n"]) for one in table(finished, model, "slices")}
    assert found == {key: n for key, n in counted.items() if n >= SMALLEST}
    assert found
    assert [
        one for one in table(finished, model, "slices") if not 0 <= float(one["low"]) <= float(one["high"]) <= 1
    ] == []


def test_the_table_of_confusion_counts_every_test_row(finished):
    kept = predictions(finished, "ngram", "test")
    said = kept[[f"p({label})" for label in LABELS]].to_numpy().argmax(axis=1)
    again = Counter(zip(kept["label"], (LABELS[index] for index in said), strict=True))
    assert Counter((one["actual"], one["predicted"]) for one in table(finished, "ngram", "confusion")) == again


def test_the_table_of_reliability_gives_the_calibration_error(finished):
    bins = table(finished, "ngram", "reliability")
    found = metrics_of(finished, "ngram")["test"]
    gaps = [int(one["n"]) * abs(float(one["confidence"]) - float(one["accuracy"])) for one in bins]
    assert sum(int(one["n"]) for one in bins) == found["n"]
    assert sum(gaps) / found["n"] == pytest.approx(found["ece"]["value"], abs=1e-6)


def test_the_pictures_are_png_files(finished):
    pictures = sorted((report(finished, "ngram") / "details").glob("*.png"))
    assert [path.name for path in pictures] == ["confusion.png", "reliability.png", "slices.png"]
    assert {path.read_bytes()[:8] for path in pictures} == {b"\x89PNG\r\n\x1a\n"}


@all_models
def test_evaluating_twice_gives_the_same_bytes(evaluated, snapshot, model):
    before = snapshot(evaluated.root / "reports")
    evaluate(evaluated, "withdrawal", model)
    assert snapshot(evaluated.root / "reports") == before


def test_a_model_that_is_not_fitted_is_refused(prepared):
    folder = prepared.model("withdrawal", "ngram")
    with pytest.raises(ModelError) as caught:
        evaluate(prepared, "withdrawal", "ngram")
    assert str(caught.value) == (
        f"{folder} is no model: it holds no model.json. "
        "Pass a folder such as models/withdrawal/ngram, a models:/ address, or train with `dvc repro`."
    )


def test_a_truncated_model_is_refused_and_the_old_report_stays(evaluated, snapshot):
    path = evaluated.model("withdrawal", "ngram") / "arrays.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    before = snapshot(evaluated.root)
    with pytest.raises(ModelError) as caught:
        evaluate(evaluated, "withdrawal", "ngram")
    assert str(caught.value) == (
        f"The model file {path} has 1,000 bytes instead of {len(whole):,}. "
        "The copy was cut short: fit the model again, or copy the folder afresh."
    )
    assert snapshot(evaluated.root) == before


def labelled(project, split="test"):
    """The rows of a split as a stranger would send them: five columns, the text as it came."""
    rows = rows_of(project, split)
    rows["label"] = [LABELS[index] for index in rows["label"]]
    return rows[["id", "raw_text", "target", "label", "document"]].rename(columns={"raw_text": "text"})


WRITERS = {
    "csv": lambda rows, path: rows.to_csv(path, index=False),
    "tsv": lambda rows, path: rows.to_csv(path, index=False, sep="\t"),
    "jsonl": lambda rows, path: rows.to_json(path, orient="records", lines=True),
    "parquet": lambda rows, path: rows.to_parquet(path),
}


@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_of_five_columns_outside_the_project_is_scored_like_the_test_split(finished, tmp_path, ending):
    path = tmp_path / f"other.{ending}"
    WRITERS[ending](labelled(finished), path)
    found = evaluate_file(finished, "withdrawal", "ngram", path)
    expected = metrics_of(finished, "ngram")["test"]
    assert {key: found[key] for key in expected} == expected


def test_the_slices_of_a_file_are_of_its_targets_and_genres(finished, tmp_path):
    rows = labelled(finished, "train").assign(genre=rows_of(finished, "train")["genre"])
    rows.to_csv(tmp_path / "other.csv", index=False)
    found = evaluate_file(finished, "withdrawal", "majority", tmp_path / "other.csv")["slices"]
    counted = {(kind, value): n for kind in ("target", "genre") for value, n in Counter(rows[kind]).items()}
    assert {(one["slice"], one["value"]): one["n"] for one in found} == {
        key: n for key, n in counted.items() if n >= SMALLEST
    }
    assert {one["slice"] for one in found} == {"target", "genre"}


def test_further_columns_of_a_file_do_not_matter(finished, tmp_path):
    labelled(finished).assign(tags="of-their-own", coders="x", source="n").to_csv(tmp_path / "other.csv", index=False)
    found = evaluate_file(finished, "withdrawal", "ngram", tmp_path / "other.csv")
    assert found["macro_f1"] == metrics_of(finished, "ngram")["test"]["macro_f1"]


def test_a_file_with_one_row_is_scored(finished, tmp_path):
    labelled(finished).head(1).to_csv(tmp_path / "other.csv", index=False)
    found = evaluate_file(finished, "withdrawal", "ngram", tmp_path / "other.csv")
    assert {key: found[key] for key in ("n", "documents")} == {"n": 1, "documents": 1}


def test_scoring_a_file_writes_nothing(finished, tmp_path, snapshot):
    labelled(finished).to_csv(tmp_path / "other.csv", index=False)
    before = snapshot(finished.root), snapshot(tmp_path)
    evaluate_file(finished, "withdrawal", "ngram", tmp_path / "other.csv")
    assert (snapshot(finished.root), snapshot(tmp_path)) == before


def test_an_unknown_label_in_a_file_is_refused_with_its_row(finished, tmp_path):
    rows = labelled(finished)
    rows.loc[1, "label"] = "anti-withdrawl"
    rows.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(DataError) as caught:
        evaluate_file(finished, "withdrawal", "ngram", tmp_path / "other.csv")
    assert str(caught.value) == (
        "other.csv:row 2: label: the label is unknown. Got: 'anti-withdrawl'. "
        "Allowed: anti-withdrawal, neutral, pro-withdrawal (did you mean anti-withdrawal?)."
    )


def test_a_file_without_the_column_of_labels_is_refused(finished, tmp_path):
    labelled(finished).head(1).drop(columns="label").to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(DataError) as caught:
        evaluate_file(finished, "withdrawal", "ngram", tmp_path / "other.csv")
    assert str(caught.value) == (
        "other.csv:row 1: label: the field is missing. Got: 'id, text, target, document'. Allowed: text, label."
    )


def test_a_file_that_is_not_there_is_refused(finished, tmp_path):
    with pytest.raises(DataError) as caught:
        evaluate_file(finished, "withdrawal", "ngram", tmp_path / "other.csv")
    assert str(caught.value) == f"There is no file {tmp_path / 'other.csv'}. Mend the name."


def test_a_file_whose_name_looks_like_a_pattern_is_scored(finished, tmp_path):
    labelled(finished).to_csv(tmp_path / "rows [1].csv", index=False)
    found = evaluate_file(finished, "withdrawal", "ngram", tmp_path / "rows [1].csv")
    assert found["n"] == metrics_of(finished, "ngram")["test"]["n"]


def test_rows_without_a_document_are_each_one_by_itself(finished, tmp_path):
    rows = labelled(finished)
    rows["document"] = ""
    rows.to_csv(tmp_path / "other.csv", index=False)
    found = evaluate_file(finished, "withdrawal", "ngram", tmp_path / "other.csv")
    assert {key: found[key] for key in ("n", "documents")} == {"n": len(rows), "documents": len(rows)}


def test_a_file_without_rows_is_refused(finished, tmp_path):
    labelled(finished).head(0).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(DataError) as caught:
        evaluate_file(finished, "withdrawal", "ngram", tmp_path / "other.csv")
    assert str(caught.value) == f"{tmp_path / 'other.csv'} holds no row. Pass a file with labelled rows."
