"""The linear head: calibrated on documents it has not seen, the same after a round trip, refused where data lack."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from stancemap.errors import DataError
from stancemap.heads import FOLDS, LinearHead, best_temperature, document_folds
from stancemap.models.base import softmax

quick = settings(derandomize=True, deadline=None, max_examples=25)
LACKING = (
    "There is too little to learn from: a label stands in fewer than two documents. Add rows from further documents."
)


def loss(logits, y):
    """The log-loss: the cross-entropy with labels that are certain."""
    return -float(log_softmax(logits, axis=1)[np.arange(len(y)), y].mean())


def cautious_loss(logits, y):
    """The cross-entropy with labels that are as certain as their rows are many."""
    wanted = [
        [((y == true).sum() + 1 if true == label else 1) / ((y == true).sum() + logits.shape[1]) for label in range(3)]
        for true in y
    ]
    return -float((np.array(wanted) * log_softmax(logits, axis=1)).sum(axis=1).mean())


@pytest.fixture(scope="module")
def rows():
    """Features, labels and documents of 240 rows in 80 documents; the classes overlap."""
    random = np.random.default_rng(7)
    y = random.integers(0, 3, 240)
    features = random.normal(size=(240, 30))
    features[np.arange(240), y] += 1.5
    return features, y, [f"d{row // 3}" for row in range(240)]


@pytest.fixture(scope="module")
def head(rows):
    features, y, documents = rows
    return LinearHead.learn(features, y, {"document": documents}, c=100.0, seed=7)


def held_out(rows, c=100.0):
    """Log-odds of each row from a fit on other documents."""
    features, y, documents = rows
    estimator = LogisticRegression(C=c, max_iter=2000)
    return cross_val_predict(estimator, features, y, cv=document_folds(y, documents, 7), method="decision_function")


def test_a_head_has_one_row_of_weights_for_each_class(head):
    assert (head.weights.shape, head.biases.shape) == ((3, 30), (3,))


def test_the_temperature_lowers_the_log_loss_out_of_fold(rows, head):
    logits, y = held_out(rows), rows[1]

    assert head.temperature > 1.05  # a weak penalty is too sure
    assert loss(logits / head.temperature, y) < loss(logits, y) - 0.001


@quick
@given(st.integers(0, 1000), st.floats(0.2, 5))
def test_no_other_temperature_has_a_lower_loss(seed, factor):
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, 60)
    logits = random.normal(size=(60, 3)) * 2
    logits[np.arange(60), y] += 1

    temperature = best_temperature(logits, y)

    assert cautious_loss(logits / temperature, y) <= cautious_loss(logits / (temperature * factor), y) + 1e-9


@quick
@given(st.integers(0, 1000), st.floats(0.5, 2))
def test_scaled_log_odds_have_a_scaled_temperature(seed, factor):
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, 60)
    logits = random.normal(size=(60, 3))
    logits[np.arange(60), y] += 1

    assert best_temperature(logits * factor, y) == pytest.approx(best_temperature(logits, y) * factor, rel=1e-3)


def test_log_odds_that_are_right_need_no_temperature():
    logits = np.tile([np.log(4.0), 0.0], (10_000, 1))  # odds of 4 to 1, and 4 of 5 right

    assert best_temperature(logits, np.array([0, 0, 0, 0, 1] * 2_000)) == pytest.approx(1, rel=1e-3)


def test_a_few_rows_all_of_them_right_do_not_make_it_certain():
    logits = np.eye(3)[[0, 1, 2] * 2]
    y = np.array([0, 1, 2] * 2)

    # Of two rows of a class, each counts 3/5 for its label: odds of 3 to 1 over each of the others.
    assert best_temperature(logits, y) == pytest.approx(1 / np.log(3.0), rel=1e-3)


def test_the_temperature_is_already_in_the_weights(rows, head):
    features, y, _ = rows
    fitted = LogisticRegression(C=100.0, max_iter=2000, random_state=7).fit(features, y)

    np.testing.assert_allclose(head.weights * head.temperature, fitted.coef_, rtol=1e-12)
    np.testing.assert_allclose(head.biases * head.temperature, fitted.intercept_, rtol=1e-12)


def test_probabilities_sum_to_one(rows, head):
    probabilities = softmax(head.logits(rows[0]))

    assert probabilities.shape == (240, 3)
    assert probabilities.min() > 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def test_two_classes_give_two_columns(rows):
    features, y, documents = rows
    head = LinearHead.learn(features, (y == 1).astype(np.int64), {"document": documents}, c=1.0, seed=7)

    fitted = LogisticRegression(C=1.0, max_iter=2000).fit(features, y == 1)
    odds = fitted.decision_function(features) / head.temperature
    np.testing.assert_allclose(softmax(head.logits(features))[:, 1], 1 / (1 + np.exp(-odds)), rtol=1e-9)


def test_sparse_features_give_the_same_head(rows, head):
    features, y, documents = rows
    sparse = LinearHead.learn(csr_array(features), y, {"document": documents}, c=100.0, seed=7)

    np.testing.assert_allclose(sparse.logits(csr_array(features)), head.logits(features), atol=1e-3)


def test_two_fits_give_the_same_bits(rows, head):
    features, y, documents = rows
    again = LinearHead.learn(features, y, {"document": documents}, c=100.0, seed=7)

    assert {name: array.tobytes() for name, array in again.arrays().items()} == {
        name: array.tobytes() for name, array in head.arrays().items()
    }


def test_a_row_is_answered_alone_as_among_others(rows, head):
    features = rows[0]
    alone = np.vstack([head.logits(features[row : row + 1]) for row in range(10)])

    assert alone.tobytes() == head.logits(features)[:10].tobytes()


def test_a_round_trip_keeps_every_bit(rows, head):
    back = LinearHead.from_arrays(head.arrays())

    assert back.temperature == head.temperature
    assert back.logits(rows[0]).tobytes() == head.logits(rows[0]).tobytes()


@pytest.mark.parametrize(
    ("y", "documents"),
    [
        ([0, 1, 2] * 4, ["d"] * 12),
        ([0, 1] * 5 + [2, 2], [*"abcdefghij", "k", "k"]),
        ([0, 1, 0, 1, 2], None),
        ([0, 0, 2, 2], None),
    ],
    ids=["one document", "a label in one document", "a label in one row", "a label in no row"],
)
def test_a_label_in_fewer_than_two_documents_is_refused(y, documents):
    features = np.random.default_rng(7).normal(size=(len(y), 3))

    with pytest.raises(DataError) as error:
        LinearHead.learn(features, np.array(y), {"document": documents}, c=1.0, seed=7)

    assert str(error.value) == LACKING


def test_a_label_in_two_documents_is_enough():
    y = np.array([0, 1, 2] * 2)
    head = LinearHead.learn(np.eye(6), y, {"document": ["d1"] * 3 + ["d2"] * 3}, c=1.0, seed=7)

    assert np.isfinite(head.logits(np.eye(6))).all()


@st.composite
def corpora(draw):
    """Labels, two of them rare, and documents of 12 to 40 rows."""
    n = draw(st.integers(12, 40))
    y = draw(
        st.lists(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2]), min_size=n, max_size=n).filter(lambda y: len({*y}) == 3)
    )
    documents = draw(st.lists(st.sampled_from("abcdefg"), min_size=n, max_size=n))
    return np.array(y), documents


def folds_of(y, documents):
    try:
        return document_folds(y, documents, 7)
    except DataError:  # Hypothesis fails when it meets this too often
        reject()


@quick
@given(corpora())
def test_folds_keep_documents_whole(corpus):
    y, documents = corpus
    names = np.array(documents)

    shared = [set(names[train]) & set(names[held]) for train, held in folds_of(y, documents)]
    assert set().union(*shared) == set()


@quick
@given(corpora())
def test_folds_hold_every_row_out_once(corpus):
    y, documents = corpus
    held = np.concatenate([held for _, held in folds_of(y, documents)])

    assert sorted(held.tolist()) == list(range(len(y)))


@quick
@given(corpora())
def test_every_fold_learns_from_every_label(corpus):
    y, documents = corpus

    assert {frozenset(y[train].tolist()) for train, _ in folds_of(y, documents)} == {frozenset({0, 1, 2})}


def test_there_are_five_folds_where_the_documents_allow(rows):
    _, y, documents = rows

    assert len(document_folds(y, documents, 7)) == FOLDS == 5


def test_without_documents_every_row_is_its_own():
    y = np.array([0, 1, 2] * 10)

    assert len(document_folds(y, None, 7)) == FOLDS
