"""Real sentences and articles, which lie beside the repository and never in it: none is refused, nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stancemap import predict
from stancemap.article import split_sentences
from stancemap.kinds import open_model
from stancemap.repair import check_text, repair
from stancemap.stages.evaluate import evaluate_file

SHARED = Path(__file__).resolve().parents[3] / "shared"
SENTENCES = SHARED / "datasets" / "withdrawal-real" / "dev.jsonl"
ARTICLES = sorted(path for path in (SHARED / "articles").glob("*.txt"))
MODELS = ("majority", "ngram", "embedding-tiny")

real_sentences = pytest.mark.skipif(not SENTENCES.is_file(), reason="withdrawal-real/dev.jsonl is not at hand")
real_articles = pytest.mark.skipif(not ARTICLES, reason="no articles are at hand")


@pytest.fixture(scope="module")
def rows():
    return [json.loads(line) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]


@real_sentences
def test_no_real_sentence_is_refused_or_emptied(rows):
    assert [row["id"] for row in rows if check_text(row["text"]) != row["text"] or not repair(row["text"]).text] == []


@real_sentences
def test_repairing_a_repaired_real_sentence_changes_nothing(rows):
    mended = [repair(row["text"]).text for row in rows]
    assert [row["id"] for row, text in zip(rows, mended, strict=True) if repair(text).text != text] == []


@real_sentences
@pytest.mark.parametrize("model", MODELS)
def test_every_real_sentence_gets_probabilities_that_sum_to_one(finished, rows, model):
    folder = finished.model("withdrawal", model)
    answers = predict([row["text"] for row in rows], [row["target"] for row in rows], model=folder)
    probabilities = np.array([list(one.probabilities.values()) for one in answers])
    assert probabilities.shape == (len(rows), 3)
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)


@real_sentences
@pytest.mark.parametrize("model", MODELS)
def test_the_real_rows_can_be_scored_as_they_are(finished, rows, model):
    found = evaluate_file(finished, "withdrawal", model, SENTENCES)
    assert {"n": found["n"], "documents": found["documents"]} == {
        "n": len(rows),
        "documents": len({row["document"] or row["id"] for row in rows}),
    }
    assert {label: one["n"] for label, one in found["per_class"].items()} == {
        label: sum(row["label"] == label for row in rows) for label in found["per_class"]
    }
    assert all(np.isfinite(found[name]["value"]) for name in ("macro_f1", "f_avg", "mcc", "log_loss", "ece"))


@real_sentences
def test_a_batch_of_real_sentences_equals_the_single_ones(finished, rows):
    fitted, _ = open_model(finished.model("withdrawal", "embedding-tiny"))
    texts = [repair(row["text"]).text for row in rows[:100]]
    targets = [row["target"] for row in rows[:100]]
    batch = fitted.predict_proba({"text": texts, "target": targets})
    single = [
        fitted.predict_proba({"text": [text], "target": [aim]})[0] for text, aim in zip(texts, targets, strict=True)
    ]
    assert batch.tolist() == np.stack(single).tolist()


@real_articles
@pytest.mark.parametrize("path", ARTICLES, ids=lambda path: path.stem)
def test_an_article_falls_into_sentences_that_cover_it(path):
    text = path.read_text(encoding="utf-8")
    sentences = split_sentences(text)
    starts, ends = [one.start for one in sentences], [one.end for one in sentences]
    gaps = "".join(text[end:start] for end, start in zip([0, *ends], [*starts, len(text)], strict=True))
    assert len(sentences) > 10
    assert [one for one in sentences if repair(text[one.start : one.end]).text != one.text] == []
    assert not any(character.isalpha() for character in gaps)


@real_articles
@pytest.mark.parametrize("path", ARTICLES, ids=lambda path: path.stem)
def test_an_article_is_answered_sentence_by_sentence(finished, path):
    texts = [one.text for one in split_sentences(path.read_text(encoding="utf-8"))]
    answers = predict(texts)
    assert len(answers) == len(texts)
    assert {one.target for one in answers} == {"withdrawal of foreign troops"}
    assert {label for one in answers for label in one.probabilities} == {
        "pro-withdrawal",
        "anti-withdrawal",
        "neutral",
    }
