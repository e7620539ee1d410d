"""Splits: documents are never cut, near-duplicates stay together, and what leaks is counted."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from stancemap.config import Duplicates, Split
from stancemap.errors import DataError
from stancemap.splits import BLOCK, NAMES, groups_of, leaks, near_duplicates, split_rows

quick = settings(derandomize=True, deadline=None, max_examples=25)
WORDS = "they will pull the soldiers out of our country before winter and nobody knows what follows".split()
sentences = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=2, max_size=12)
TOO_SMALL = (
    "The corpus is too small to split: {rows} rows in {groups} groups of documents. Allowed: enough documents that "
    "train, validation and test each hold every label. Add documents, or mend `split` in configs/pipeline.yaml."
)


@st.composite
def corpora(draw):
    """Labels, documents and near-duplicate pairs of some 150 rows."""
    pick = random.Random(draw(st.integers(0, 10_000)))
    documents = [str(number) for number in range(60) for _ in range(pick.randint(1, 4))]
    rows = range(len(documents))
    pairs = [(pick.choice(rows), pick.choice(rows), 0.9) for _ in range(draw(st.integers(0, 6)))]
    return [pick.choice("abc") for _ in rows], documents, pairs


def random_corpus(documents, size):
    pick = random.Random(7)
    groups = np.repeat(np.arange(documents), size)
    return [pick.choice("abc") for _ in groups], groups


def split_unless_too_small(labels, groups):
    try:
        return split_rows(labels, groups, Split(), 7)
    except DataError:  # Hypothesis fails when it meets this too often
        reject()


@quick
@given(corpora())
def test_documents_are_never_cut(corpus):
    labels, documents, pairs = corpus
    parts = split_unless_too_small(labels, groups_of(documents, pairs))

    assert len(set(zip(documents, parts, strict=True))) == len(set(documents))


@quick
@given(corpora())
def test_near_duplicates_stay_together(corpus):
    labels, documents, pairs = corpus
    parts = split_unless_too_small(labels, groups_of(documents, pairs))

    assert [parts[left] for left, _, _ in pairs] == [parts[right] for _, right, _ in pairs]


@quick
@given(corpora())
def test_nothing_leaks_through_a_split(corpus):
    labels, documents, pairs = corpus
    groups = groups_of(documents, pairs)

    assert leaks(split_unless_too_small(labels, groups), groups) == 0


@quick
@given(corpora())
def test_every_part_holds_every_label(corpus):
    labels, documents, pairs = corpus
    parts = split_unless_too_small(labels, groups_of(documents, pairs))

    assert set(zip(parts, labels, strict=True)) == {(name, label) for name in NAMES for label in labels}


@pytest.mark.parametrize(
    ("parts", "groups", "count"),
    [
        (["train", "train", "test"], [0, 0, 1], 0),
        (["train", "test", "test"], [0, 0, 1], 1),
        (["train", "test", "validation", "train"], [0, 0, 0, 1], 1),
        (["train", "test", "validation", "train"], [0, 0, 1, 1], 2),
        ([], [], 0),
    ],
)
def test_leaks_counts_the_groups_in_more_than_one_part(parts, groups, count):
    assert leaks(parts, np.array(groups, dtype=np.int64)) == count


def test_rows_of_one_document_are_one_group():
    assert groups_of(["a", "b", "a", "c"], []).tolist() == [0, 1, 0, 2]


def test_documents_that_a_chain_of_near_duplicates_links_are_one_group():
    documents = ["a", "a", "b", "b", "c", "d"]
    assert groups_of(documents, [(1, 2, 0.9), (3, 4, 0.8)]).tolist() == [0, 0, 0, 0, 0, 1]


def test_no_rows_are_no_groups():
    assert groups_of([], []).tolist() == []


@quick
@given(corpora())
def test_groups_are_the_finest_that_keep_documents_and_pairs_whole(corpus):
    _, documents, pairs = corpus
    edges = [(i, j) for i, one in enumerate(documents) for j, other in enumerate(documents) if one == other]
    edges += [(left, right) for left, right, _ in pairs]
    expected = list(range(len(documents)))
    for _ in documents:  # spread the smallest row number over every edge until nothing moves
        before = list(expected)
        for left, right in edges:
            expected[left] = expected[right] = min(expected[left], expected[right])
        if expected == before:
            break

    groups = groups_of(documents, pairs).tolist()

    assert [groups.index(group) for group in groups] == expected


@pytest.mark.parametrize(
    ("validation", "test"), [(0.15, 0.15), (0.1, 0.1), (0.05, 0.2), (0.25, 0.25), (0.3, 0.1), (0.1, 0.4), (0.4, 0.4)]
)
def test_shares_are_near_those_of_the_config(validation, test):
    labels, groups = random_corpus(400, 2)
    parts = split_rows(labels, groups, Split(validation=validation, test=test), 7)

    shares = [parts.count(name) / len(parts) for name in NAMES]
    assert shares == pytest.approx([1 - validation - test, validation, test], abs=0.02)


def test_labels_keep_their_proportions_in_every_part():
    labels, groups = random_corpus(400, 2)
    parts = np.array(split_rows(labels, groups, Split(), 7))

    shares = [[(np.array(labels)[parts == name] == label).mean() for label in "abc"] for name in NAMES]
    assert np.ptp(shares, axis=0).max() < 0.03


def test_one_seed_gives_one_split():
    labels, groups = random_corpus(80, 2)
    assert split_rows(labels, groups, Split(), 3) == split_rows(labels, groups, Split(), 3)


def test_another_seed_gives_another_split():
    labels, groups = random_corpus(80, 2)
    assert split_rows(labels, groups, Split(), 3) != split_rows(labels, groups, Split(), 4)


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        ([], []),
        (["a", "b", "c"] * 4, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
        (["a", "b", "c"] * 20, [0] * 60),
        (["a"] * 50 + ["b"] * 50 + ["c"] * 20, [*range(100), *([100] * 20)]),
        (["a", "b", "c"] * 3, range(9)),
        (["a"] * 100 + ["b"] * 100 + ["c"] * 2, range(202)),
    ],
    ids=["no rows", "4 documents", "1 document", "a label in one document", "3 rows a label", "2 rows of a label"],
)
def test_a_corpus_too_small_to_split_is_refused(labels, groups):
    with pytest.raises(DataError) as error:
        split_rows(labels, np.array(groups, dtype=np.int64), Split(), 7)

    assert str(error.value) == TOO_SMALL.format(rows=len(labels), groups=len(set(groups)))


def test_a_rare_label_is_split_without_a_warning():
    labels = ["a"] * 60 + ["b"] * 60 + ["c"] * 5
    parts = split_rows(labels, np.arange(125), Split(validation=0.1, test=0.1), 1)

    assert {part for part, label in zip(parts, labels, strict=True) if label == "c"} == set(NAMES)


@quick
@given(sentences, st.sampled_from([0.5, 0.8, 0.95]), st.sampled_from([3, 5]))
def test_near_duplicates_are_those_that_brute_force_finds(texts, cosine, ngram):
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(ngram, ngram)).fit_transform(texts)
    cosines = cosine_similarity(vectors)
    pairs = [(i, j) for i in range(len(texts)) for j in range(i + 1, len(texts)) if cosines[i, j] >= cosine - 1e-6]

    found = near_duplicates(texts, Duplicates(ngram=ngram, cosine=cosine))

    assert [(left, right) for left, right, _ in found] == pairs
    assert [one for _, _, one in found] == pytest.approx([cosines[pair] for pair in pairs], abs=1e-4)


@quick
@given(sentences)
def test_equal_texts_are_near_duplicates_at_every_cosine(texts):
    found = near_duplicates([*texts, texts[0].upper()], Duplicates(cosine=1.0))

    assert (0, len(texts), 1.0) in found


def test_near_duplicates_are_found_across_blocks():
    pick = random.Random(7)
    texts = ["".join(pick.choices("abcdefghijklmnopqrstuvwxyz", k=30)) for _ in range(BLOCK + 10)]
    texts[BLOCK + 3] = texts[2]
    texts[BLOCK + 5] = texts[BLOCK + 4]

    assert near_duplicates(texts, Duplicates()) == [(2, BLOCK + 3, 1.0), (BLOCK + 4, BLOCK + 5, 1.0)]


@pytest.mark.parametrize("texts", [[], ["alone"]])
def test_fewer_than_two_texts_have_no_near_duplicates(texts):
    assert near_duplicates(texts, Duplicates()) == []
