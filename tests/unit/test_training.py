"""What a model learns from: weights, a row for each label that coders gave, damaged copies."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stancemap.config import Model
from stancemap.training import lessons, shares

LABELS = st.sampled_from(["pro", "anti", "neutral"])


def columns(*rows):
    """A prepared split of rows of (text, label, coders, weight)."""
    texts, labels, coders, weights = zip(*rows, strict=True)
    count = len(rows)
    return {
        "id": [f"r{number}" for number in range(count)],
        "text": list(texts),
        "target": ["withdrawal of troops"] * count,
        "document": [f"d{number}" for number in range(count)],
        "label": list(labels),
        "coders": [list(row) for row in coders],
        "weight": list(weights),
    }


def test_rows_on_which_coders_agree_stand_once_with_their_weight():
    found = lessons(columns(("Go.", "pro", [], 1.0), ("Stay.", "anti", ["anti", "anti"], 0.5)), Model(kind="ngram"), 0)
    assert (found["text"], found["label"], found["weight"]) == (["Go.", "Stay."], ["pro", "anti"], [1.0, 0.5])


def test_a_row_on_which_coders_differ_stands_once_for_each_label_in_one_document():
    found = lessons(columns(("Go.", "neutral", ["neutral", "pro"], 3.0)), Model(kind="ngram"), 0)
    assert found == {
        "text": ["Go.", "Go."],
        "target": ["withdrawal of troops"] * 2,
        "document": ["d0", "d0"],
        "label": ["neutral", "pro"],
        "weight": [2.0, 1.0],
    }


def test_without_soft_labels_only_the_label_counts():
    found = lessons(columns(("Go.", "neutral", ["neutral", "pro"], 1.0)), Model(kind="ngram", soft=False), 0)
    assert (found["label"], found["weight"]) == (["neutral"], [1.0])


@settings(derandomize=True, deadline=None, max_examples=100)
@given(LABELS, st.lists(LABELS, max_size=5))
def test_the_votes_of_a_row_add_up_to_one(label, coders):
    assert sum(shares(label, coders).values()) == pytest.approx(1)


def test_a_share_of_the_rows_stands_there_damaged_as_well():
    rows = [(f"The troops stayed on, whatever the {word} said.", "anti", [], 1.0) for word in "abcdefghij"]
    found = lessons(columns(*rows), Model(kind="ngram", noise=0.5), 3)
    copies = found["text"][10:]
    assert found["text"][:10] == [text for text, *_ in rows]
    assert 1 <= len(copies) <= 5
    assert set(copies).isdisjoint(found["text"][:10])
    assert set(found["document"][10:]) <= set(found["document"][:10])


def test_one_seed_damages_the_same_rows_in_the_same_way():
    rows = [(f"The troops stayed on, whatever the {word} said.", "anti", [], 1.0) for word in "abcdefghij"]
    first, again, other = (lessons(columns(*rows), Model(kind="ngram", noise=1.0), seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
