"""Scores agree with scikit-learn and with counting by hand; intervals resample documents, never rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics as known
from hypothesis import given, settings
from hypothesis import strategies as st

from stancemap.calibration import BINS, expected_calibration_error, reliability
from stancemap.config import Bootstrap
from stancemap.metrics import (
    LOWER_IS_BETTER,
    METRICS,
    Scored,
    accuracy,
    f1_scores,
    f_avg,
    interval,
    log_loss,
    macro_f1,
    mcc,
    per_class,
    present_f1,
    resamples,
    score,
    with_interval,
)

quick = settings(derandomize=True, deadline=None, max_examples=60)


def scored_of(truth, said, *, sure=0.8):
    """Scored rows of the classes `said`, each with the probability `sure`, each in a document of its own."""
    probabilities = np.full((len(said), 3), (1 - sure) / 2)
    probabilities[np.arange(len(said)), said] = sure
    return Scored(np.array(truth), probabilities, np.arange(len(truth)))


# Favor, against, neutral; the table of truth against answer is [[2, 1, 0], [1, 1, 1], [0, 0, 4]].
TRUTH = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
SAID = [0, 0, 1, 1, 0, 2, 2, 2, 2, 2]
COUNTED = scored_of(TRUTH, SAID)


@st.composite
def scored_rows(draw, size=40):
    """Some rows with probabilities that sum to 1, often tied, and some documents."""
    n = draw(st.integers(1, size))
    weights = draw(st.lists(st.tuples(*[st.integers(0, 3)] * 3).filter(any), min_size=n, max_size=n))
    y = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    documents = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    raw = np.array(weights, dtype=float)
    return Scored(np.array(y), raw / raw.sum(axis=1, keepdims=True), np.array(documents))


@pytest.fixture(scope="module")
def noisy():
    """400 rows in 100 documents, whose probabilities are better than chance and too sure."""
    random = np.random.default_rng(7)
    y = random.integers(0, 3, 400)
    logits = random.normal(size=(400, 3)) * 2
    logits[np.arange(400), y] += 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Scored(y, probabilities, np.arange(400) // 4)


def test_f1_is_counted_for_each_class():
    assert f1_scores(COUNTED.y, COUNTED.predicted).tolist() == pytest.approx([4 / 6, 2 / 5, 8 / 9])


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (macro_f1, (4 / 6 + 2 / 5 + 8 / 9) / 3),
        (f_avg, (4 / 6 + 2 / 5) / 2),
        (accuracy, 7 / 10),
        (mcc, (7 * 10 - (3 * 3 + 3 * 2 + 4 * 5)) / math.sqrt((100 - (9 + 4 + 25)) * (100 - (9 + 9 + 16)))),
        (log_loss, -(7 * math.log(0.8) + 3 * math.log(0.1)) / 10),
    ],
)
def test_a_score_is_what_counting_by_hand_gives(metric, value):
    assert metric(COUNTED) == pytest.approx(value)


def test_f_avg_leaves_neutral_out_of_the_mean_but_not_out_of_the_errors():
    assert f_avg(scored_of([0, 1, 2, 2], [0, 1, 0, 1])) == pytest.approx(2 / 3)


HUNDRED = Bootstrap(resamples=100)


def plain(scored):
    """Precision, recall, F1 and n of each class, without the bounds of F1."""
    found = per_class(scored, ["pro", "anti", "none"], HUNDRED, 7)
    return {label: {name: one[name] for name in ("precision", "recall", "f1", "n")} for label, one in found.items()}


def test_precision_recall_f1_and_n_of_each_class_are_what_counting_by_hand_gives():
    assert plain(COUNTED) == {
        "pro": {"precision": 0.666667, "recall": 0.666667, "f1": 0.666667, "n": 3.0},
        "anti": {"precision": 0.5, "recall": 0.333333, "f1": 0.4, "n": 3.0},
        "none": {"precision": 0.8, "recall": 1.0, "f1": 0.888889, "n": 4.0},
    }


def test_the_bounds_of_f1_are_as_wide_as_the_resamples_differ():
    mixed = scored_of([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 0, 1, 1, 0, 1])
    (pro, anti, none) = per_class(mixed, ["pro", "anti", "none"], HUNDRED, 7).values()
    assert 0 <= pro["f1_low"] < pro["f1"] < pro["f1_high"] <= 1
    assert 0 <= anti["f1_low"] < anti["f1"] < anti["f1_high"] <= 1
    assert (none["f1_low"], none["f1_high"]) == (0, 0)


def test_one_metric_with_its_interval_is_that_of_the_table():
    mixed = scored_of([0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0])
    assert with_interval(mixed, macro_f1, HUNDRED, 7) == score(mixed, HUNDRED, 7)["macro_f1"]


def test_a_class_that_is_not_there_does_not_count_in_a_slice():
    assert present_f1(scored_of([0, 0, 1], [0, 0, 1])) == 1
    assert present_f1(scored_of([0, 0, 1], [0, 2, 1])) == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_that_is_neither_there_nor_predicted_scores_zero():
    assert plain(scored_of([0, 0], [0, 0]))["none"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "n": 0.0,
    }


@quick
@given(scored_rows())
def test_macro_f1_agrees_with_scikit_learn(scored):
    expected = known.f1_score(scored.y, scored.predicted, labels=range(3), average="macro", zero_division=0)
    assert macro_f1(scored) == pytest.approx(expected)


@quick
@given(scored_rows())
def test_f_avg_agrees_with_scikit_learn(scored):
    expected = known.f1_score(scored.y, scored.predicted, labels=[0, 1], average="macro", zero_division=0)
    assert f_avg(scored) == pytest.approx(expected)


@quick
@given(scored_rows())
def test_mcc_agrees_with_scikit_learn(scored):
    assert mcc(scored) == pytest.approx(known.matthews_corrcoef(scored.y, scored.predicted), abs=1e-12)


@quick
@given(scored_rows())
def test_log_loss_agrees_with_scikit_learn(scored):
    smoothed = Scored(scored.y, (scored.probabilities + 0.1) / 1.3, scored.documents)
    assert log_loss(smoothed) == pytest.approx(known.log_loss(smoothed.y, smoothed.probabilities, labels=range(3)))


@quick
@given(scored_rows())
def test_per_class_agrees_with_f1_scores(scored):
    found = [one["f1"] for one in plain(scored).values()]
    assert found == pytest.approx(f1_scores(scored.y, scored.predicted).tolist(), abs=1e-6)


@quick
@given(scored_rows(), st.randoms(use_true_random=False))
def test_no_score_depends_on_the_order_of_rows(scored, random):
    order = list(range(len(scored.y)))
    random.shuffle(order)
    shuffled = scored.take(np.array(order))

    before = {name: metric(scored) for name, metric in METRICS.items()}
    assert {name: metric(shuffled) for name, metric in METRICS.items()} == pytest.approx(before, abs=1e-9)


@quick
@given(scored_rows())
def test_no_score_depends_on_how_often_the_corpus_is_repeated(scored):
    twice = scored.take(np.tile(np.arange(len(scored.y)), 2))

    names = [name for name in METRICS if name != "ece"]  # more rows are other bins
    assert [METRICS[name](twice) for name in names] == pytest.approx([METRICS[name](scored) for name in names])


@quick
@given(scored_rows(), st.permutations([0, 1, 2]))
def test_only_f_avg_depends_on_which_class_is_which(scored, order):
    distinct = scored.probabilities + np.array([0.003, 0.002, 0.001])  # a tie would go to the first class
    distinct /= distinct.sum(axis=1, keepdims=True)
    plain = Scored(scored.y, distinct, scored.documents)
    renamed = Scored(np.argsort(order)[scored.y], distinct[:, order], scored.documents)

    names = [name for name in METRICS if name != "f_avg"]
    assert [METRICS[name](renamed) for name in names] == pytest.approx([METRICS[name](plain) for name in names])


@quick
@given(scored_rows())
def test_every_score_is_finite_and_within_its_bounds(scored):
    bounds = {"mcc": (-1, 1), "log_loss": (0, -math.log(1e-12))}
    outside = {
        name: metric(scored)
        for name, metric in METRICS.items()
        if not bounds.get(name, (0, 1))[0] - 1e-9 <= metric(scored) <= bounds.get(name, (0, 1))[1] + 1e-9
    }
    assert outside == {}


def test_a_perfect_and_sure_model_gets_the_best_of_every_score():
    perfect = scored_of([0, 1, 2], [0, 1, 2], sure=1.0)
    found = {name: metric(perfect) for name, metric in METRICS.items()}
    assert found == {"macro_f1": 1.0, "f_avg": 1.0, "mcc": 1.0, "accuracy": 1.0, "log_loss": 0.0, "ece": 0.0}


def test_a_sure_and_wrong_answer_costs_much_but_not_infinitely_much():
    assert log_loss(scored_of([1], [0], sure=1.0)) == pytest.approx(-math.log(1e-12))


def test_a_model_that_always_says_the_same_has_no_correlation():
    assert mcc(scored_of([0, 1, 2], [2, 2, 2])) == 0.0


def test_lower_is_better_for_losses_only():
    assert {"log_loss", "ece"} == LOWER_IS_BETTER
    assert METRICS.keys() >= LOWER_IS_BETTER


def test_taken_rows_keep_what_belongs_to_them_and_may_repeat():
    part = COUNTED.take(np.array([9, 3, 3]))

    assert (part.y.tolist(), part.predicted.tolist(), part.documents.tolist()) == ([2, 1, 1], [2, 1, 1], [9, 3, 3])


def test_a_resample_takes_documents_as_wholes():
    documents = np.array([5, 5, 5, 9, 2, 2])
    drawn = resamples(documents, Bootstrap(resamples=100), 7)

    sizes = {5: 3, 9: 1, 2: 2}
    split = [
        rows
        for rows in drawn
        for document, size in sizes.items()
        if len(set(np.bincount(rows, minlength=6)[documents == document])) != 1
        or (documents[rows] == document).sum() % size
    ]
    assert split == []


def test_a_resample_draws_as_many_documents_as_there_are():
    documents = np.array([5, 5, 5, 9, 2, 2])
    drawn = resamples(documents, Bootstrap(resamples=100), 7)

    weights = np.array([1 / 3, 1 / 3, 1 / 3, 1, 1 / 2, 1 / 2])
    assert [round(weights[rows].sum(), 9) for rows in drawn] == [3.0] * 100


def test_resamples_differ_from_each_other_and_not_from_run_to_run():
    documents = np.arange(50)
    first, again = (resamples(documents, Bootstrap(resamples=100), 7) for _ in range(2))

    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in again]
    assert len({tuple(rows.tolist()) for rows in first}) == 100


def test_rows_of_one_document_widen_the_interval():
    rows = np.arange(400)
    y = np.zeros(400, dtype=np.int64)
    right = (rows // 20) % 2 == 0  # whole documents are right, whole documents are wrong
    probabilities = np.where(right[:, None], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1])
    how = Bootstrap(resamples=200)

    by_row = score(Scored(y, probabilities, rows), how, 7)["accuracy"]
    by_document = score(Scored(y, probabilities, rows // 20), how, 7)["accuracy"]

    assert by_document["high"] - by_document["low"] > 3 * (by_row["high"] - by_row["low"])


def test_an_interval_holds_the_middle_of_its_values():
    assert interval(list(range(101)), 0.9) == [5.0, 95.0]


def test_every_score_lies_within_its_interval(noisy):
    table = score(noisy, Bootstrap(resamples=300), 7)

    assert list(table) == ["n", "documents", *METRICS]
    assert [name for name in METRICS if not table[name]["low"] < table[name]["value"] < table[name]["high"]] == []


def test_a_score_comes_with_its_rows_and_its_documents(noisy):
    table = score(noisy, Bootstrap(resamples=100), 7)

    assert (table["n"], table["documents"]) == (400, 100)
    assert table["accuracy"]["value"] == round(accuracy(noisy), 6)


def test_a_wider_level_gives_a_wider_interval(noisy):
    narrow, wide = (score(noisy, Bootstrap(resamples=300, level=level), 7)["mcc"] for level in (0.6, 0.99))

    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


def test_perfect_calibration_has_no_error():
    y = np.array([0] * 8 + [1] * 2 + [0] * 5 + [1] * 5)
    probabilities = np.array([[0.8, 0.2]] * 10 + [[0.5, 0.5]] * 10)

    assert expected_calibration_error(probabilities, y, bins=2) == 0.0


def test_the_calibration_error_is_what_counting_by_hand_gives():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    y = np.array([0, 0, 1, 0])

    # The two least sure: confidence 0.65, none right; the two surest: 0.85, both right.
    assert expected_calibration_error(probabilities, y, bins=2) == pytest.approx((0.65 + 0.15) / 2)


def test_the_reliability_table_goes_from_the_least_sure_to_the_surest():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])

    assert reliability(probabilities, np.array([0, 0, 1, 0]), bins=2) == [
        {"confidence": pytest.approx(0.65), "accuracy": 0.0, "n": 2},
        {"confidence": pytest.approx(0.85), "accuracy": 1.0, "n": 2},
    ]


def test_equally_sure_rows_share_a_bin():
    probabilities = np.array([[0.8, 0.2]] * 20)

    table = reliability(probabilities, np.array([0] * 10 + [1] * 10))

    assert table == [{"confidence": pytest.approx(0.8), "accuracy": 0.5, "n": 20}]


@quick
@given(scored_rows())
def test_the_reliability_table_accounts_for_every_row(scored):
    table = reliability(scored.probabilities, scored.y)

    hits = sum(one["accuracy"] * one["n"] for one in table)
    assert (sum(one["n"] for one in table), hits) == (
        len(scored.y),
        pytest.approx((scored.y == scored.predicted).sum()),
    )
    assert len(table) <= BINS


@quick
@given(scored_rows())
def test_one_bin_gives_the_distance_of_mean_confidence_and_accuracy(scored):
    distance = abs(scored.probabilities.max(axis=1).mean() - accuracy(scored))

    assert expected_calibration_error(scored.probabilities, scored.y, bins=1) == pytest.approx(distance, abs=1e-9)


def test_bins_without_ties_hold_equal_numbers_of_rows():
    sure = np.linspace(0.5, 0.99, 95)

    table = reliability(np.column_stack([sure, 1 - sure]), np.zeros(95, dtype=np.int64))

    assert [one["n"] for one in table] == [10] * 5 + [9] * 5
