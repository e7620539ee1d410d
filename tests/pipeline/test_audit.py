"""`audit`: every table on a small corpus, the page, and the bounds that `prepare` enforces."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

from stancemap import cli
from stancemap.audit import audit
from stancemap.errors import ConfigError, DataError, InputError
from stancemap.metrics import macro_f1
from stancemap.page import render
from stancemap.shortcuts import VIEWS, out_of_fold, suspects
from stancemap.stages.prepare import prepare

CLASSES = ("pro-withdrawal", "anti-withdrawal", "neutral")


def bound(project, **bounds):
    """Add bounds to the dataset's config."""
    path = project.dataset_file("withdrawal")
    path.write_text(path.read_text() + f"audit: {json.dumps(bounds)}\n")


def table(found, title):
    (one,) = [one for one in found.tables if one.title == title]
    return [dict(zip(one.rows[0], row, strict=True)) for row in one.rows[1:]]


@pytest.fixture(scope="module")
def columns(corpus_rows):
    return {key: [row[key] for row in corpus_rows] for key in ("id", "text", "target", "label", "holder", "document")}


def test_every_table_is_there(finished):
    assert [one.title for one in audit(finished, "withdrawal").tables] == [
        "Cue × label",
        "Length × label",
        "How far one gets without reading",
        "Suspects",
        "Agreement",
        "Diversity",
        "Near-duplicates",
    ]


def test_the_best_model_stands_beside_what_does_not_read(finished):
    body = table(audit(finished, "withdrawal"), "How far one gets without reading")
    metrics = json.loads((finished.report("withdrawal", "ngram") / "metrics.json").read_text())
    chosen = json.loads((finished.reports("withdrawal") / "selection.json").read_text())["champion"]
    assert [row["what is seen"] for row in body] == [*VIEWS, f"for comparison, on test: {chosen}"]
    assert re.fullmatch(r"0\.\d{3} \[0\.\d{3}–0\.\d{3}\]", body[0]["macro-F1"])
    assert metrics["test"]["macro_f1"]


def test_an_audit_needs_no_run_of_the_pipeline_and_writes_nothing(fresh):
    before = sorted(path for path in fresh.root.rglob("*"))
    found = audit(fresh, "withdrawal")
    assert [row["what is seen"] for row in table(found, "How far one gets without reading")] == list(VIEWS)
    assert sorted(path for path in fresh.root.rglob("*")) == before


def test_the_same_corpus_gives_the_same_audit(finished):
    assert audit(finished, "withdrawal") == audit(finished, "withdrawal")


def test_text_of_another_kind_is_compared_when_it_is_given(finished):
    beside = [("", {"text": f"Cooks fried {number} eggs.", "document": f"d{number}"}) for number in range(40)]
    found = audit(finished, "withdrawal", beside)
    scores = {row["by"]: float(row["AUC"]) for row in table(found, "Told apart")}
    assert list(scores) == ["words and pairs of words", "vectors of embedding-tiny, 2,000 texts a side at most"]
    assert scores["words and pairs of words"] > 0.99


def test_the_target_alone_tells_little_where_targets_have_all_labels(columns):
    target, form, words = (out_of_fold(columns, view(columns), CLASSES, 0) for view in VIEWS.values())
    assert macro_f1(target) < macro_f1(words)
    assert {len(one.y) for one in (target, form, words)} == {len(columns["id"])}


def test_a_row_with_a_wrong_label_is_a_suspect(columns):
    labels = ["pro-withdrawal" if "home" in text else "anti-withdrawal" for text in columns["text"]]
    verbs = {"pro-withdrawal": "go", "anti-withdrawal": "stay"}
    texts = [f"{verbs[label]} now {text}" for label, text in zip(labels, columns["text"], strict=True)]
    labels[:30] = ["neutral"] * 30
    texts[:30] = [f"a report of figures {number}" for number in range(30)]
    wrong = next(index for index, label in enumerate(labels) if label == "anti-withdrawal")
    changed = {**columns, "text": texts, "label": [*labels[:wrong], "pro-withdrawal", *labels[wrong + 1 :]]}
    scored = out_of_fold(changed, VIEWS["a bag of the text's words"](changed), CLASSES, 0)
    row, given = suspects(scored)[0]
    assert (row, given < 0.5) == (wrong, True)
    assert np.isclose(given, scored.probabilities[row, scored.y[row]])


def test_the_page_is_whole_and_asks_for_nothing_from_elsewhere(finished):
    page = render(audit(finished, "withdrawal"))
    assert page.startswith("<!doctype html>")
    assert page.count("<table>") == page.count("</table>") == 7
    assert re.findall(r"(?:src|href|url)\s*[=(]", page) == []


def test_the_page_shows_text_as_text(fresh):
    path = fresh.raw("withdrawal") / "some.jsonl"
    row = {"id": "x-1", "text": "<script>alert(1)</script> & home", "target": "withdrawal of troops"}
    rows = [
        {**row, "id": f"x-{number}", "text": f"{row['text']} {number}", "label": label, "document": f"x{number}"}
        for number, label in enumerate(CLASSES * 2)
    ]
    lines = "".join(json.dumps(one) + "\n" for one in rows)
    path.write_text(path.read_text(encoding="utf-8") + lines, encoding="utf-8")
    page = render(audit(fresh, "withdrawal"))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_prepare_refuses_a_corpus_that_breaks_a_bound_and_keeps_what_was_prepared(fresh):
    prepare(fresh, "withdrawal")
    before = {path: path.read_bytes() for path in fresh.prepared("withdrawal").iterdir()}
    bound(fresh, length_gap=0)
    with pytest.raises(DataError) as error:
        prepare(fresh, "withdrawal")
    assert re.fullmatch(
        r"The median [\w-]+ row has [\d.]+ words, the median [\w-]+ row [\d.]+\. Allowed: a difference of at most 0\. "
        r"Rewrite or drop some of ([\w-]+, ){19}[\w-]+ and \d+ more, or mend `audit\.length_gap` in the dataset's "
        r"config\.",
        str(error.value),
    )
    assert {path: path.read_bytes() for path in fresh.prepared("withdrawal").iterdir()} == before


def test_an_audit_tells_what_prepare_would_refuse(fresh):
    bound(fresh, cues=["home"], cue_share=0.05)
    (fault,) = audit(fresh, "withdrawal").breaches
    with pytest.raises(DataError) as error:
        prepare(fresh, "withdrawal")
    assert str(error.value) == fault
    assert "rows with 'home' are" in fault


def test_a_cue_that_is_no_regular_expression_is_a_fault_of_the_config(fresh):
    bound(fresh, cues=["leav(e"])
    with pytest.raises(ConfigError) as error:
        audit(fresh, "withdrawal")
    assert str(error.value) == (
        f"{fresh.dataset_file('withdrawal')}: audit.cues: 'leav(e' is no regular expression: missing ), unterminated "
        "subpattern at position 4. Got: ['leav(e']."
    )


def test_weights_stand_beside_the_rows_of_their_register(fresh):
    import pandas as pd

    path = fresh.dataset_file("withdrawal")
    path.write_text(path.read_text() + 'weights: {"so*": 0.25}\n')
    prepare(fresh, "withdrawal")
    train = pd.read_parquet(fresh.prepared("withdrawal") / "train.parquet")
    assert set(zip(train["register"], train["weight"], strict=True)) == {("some", 0.25)}


def test_a_weight_for_no_register_is_refused(fresh):
    path = fresh.dataset_file("withdrawal")
    path.write_text(path.read_text() + "weights: {sme: 0.25}\n")
    with pytest.raises(ConfigError) as error:
        prepare(fresh, "withdrawal")
    assert str(error.value) == (
        f"{path}: weights: the pattern is the first to fit no register. Got: 'sme'. Allowed: some (did you mean "
        "some?). Mend it, or put it before a wider one."
    )


def test_the_command_prints_the_tables_writes_the_page_and_ends_with_3_when_a_bound_is_broken(
    fresh, tmp_path, monkeypatch, capsys
):
    bound(fresh, cues=["home"], cue_share=0.05)
    page = tmp_path / "audit.html"
    monkeypatch.setattr(sys, "argv", ["stancemap", "audit", "withdrawal", "--html", str(page)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    assert end.value.code == 3
    assert "rows with 'home' are" in captured.err
    assert "Broken bounds" in page.read_text(encoding="utf-8")


def test_a_weight_that_an_earlier_pattern_takes_everything_from_is_refused(fresh):
    path = fresh.dataset_file("withdrawal")
    path.write_text(path.read_text() + 'weights: {"*": 0.3, "some": 1}\n')
    with pytest.raises(ConfigError, match=r"the pattern is the first to fit no register\. Got: 'some'\."):
        prepare(fresh, "withdrawal")


def test_text_beside_that_cannot_be_used_is_named(fresh):
    with pytest.raises(InputError) as error:
        audit(fresh, "withdrawal", [("mine.csv:row 1: ", {"text": "They go."}), ("mine.csv:row 2: ", {"id": 3})])
    assert str(error.value).startswith("mine.csv:row 2: The text is missing.")


def test_a_corpus_without_a_label_is_refused(fresh):
    path = fresh.raw("withdrawal") / "some.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"label": "neutral"' not in line), encoding="utf-8")
    with pytest.raises(DataError, match=r"^The dataset withdrawal has no row with the label neutral\. Add rows"):
        audit(fresh, "withdrawal")


def test_brackets_in_a_text_are_shown_and_are_no_markup(fresh, monkeypatch, capsys):
    path = fresh.raw("withdrawal") / "some.jsonl"
    row = {"id": "x-1", "target": "withdrawal of troops", "document": "x"}
    text = "[red]Copied[/b] text, copied and copied again."
    copies = [{**row, "id": f"x-{n}", "text": text, "target": f"withdrawal {n}"} for n in (1, 2)]
    lines = "".join(json.dumps({**one, "label": "neutral"}) + "\n" for one in copies)
    path.write_text(path.read_text(encoding="utf-8") + lines, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["stancemap", "audit", "withdrawal"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert "[red]Copied[/b]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--html", "configs", "configs is a folder. Name a file."),
        ("--beside", "none.csv", "There is no file none.csv. Mend the name."),
    ],
)
def test_a_wrong_place_is_told_before_anything_is_counted(fresh, monkeypatch, capsys, option, value, message):
    monkeypatch.setattr(sys, "argv", ["stancemap", "audit", "withdrawal", option, value])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code, capsys.readouterr().err.strip()) == (2, f"stancemap: {message}")
