"""A label that shows in a cue word, a negation, a missing holder, the length or a copy is found, with the rows' ids."""

from __future__ import annotations

import pytest

from stancemap.checks import LISTED, NEGATION, Row, breaches, groups, tables
from stancemap.config import Bounds

CLASSES = ("pro", "anti", "neutral")
THEN = "in the dataset's config."


def row(number, text, label, holder="the mayor", target="withdrawal of troops"):
    return Row(f"r{number}", text, target, label, holder)


def rows(*texts_and_labels):
    return [row(number, *one) for number, one in enumerate(texts_and_labels)]


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("They will not go.", True),
        ("They won't go.", True),
        ("They won’t go.", True),
        ("Nobody left without a word.", True),
        ("Notable knots in Norway.", False),
        ("They cannot go", True),
    ],
)
def test_a_negation_is_a_word_of_its_own(text, negated):
    assert bool(NEGATION.search(text)) is negated


def test_a_cue_is_a_whole_word_in_any_case():
    found = groups(rows(("Home at last.", "pro"), ("A homely place.", "anti")), Bounds(cues=("home",)))
    assert [one.id for one in found[0].rows] == ["r0"]


def test_a_cue_that_leans_too_far_is_named_with_the_rows_that_make_it_lean():
    some = rows(("home a", "pro"), ("home b", "pro"), ("home c", "anti"), ("stay d", "anti"))
    assert breaches(some, [], Bounds(cues=("home", "stay"), cue_share=0.6, cue_rows=2)) == [
        (
            "66.7% of the 3 rows with 'home' are pro. Allowed: at most 0.6. "
            f"Rewrite or drop some of r0, r1, or mend `audit.cue_share` {THEN}"
        ),
    ]


def test_a_cue_in_few_rows_is_not_judged():
    assert breaches(rows(("home a", "pro")), [], Bounds(cues=("home",), cue_share=0.6, cue_rows=2)) == []


def test_a_share_of_just_the_bound_is_kept():
    some = rows(("home a", "pro"), ("home b", "anti"))
    assert breaches(some, [], Bounds(cues=("home",), cue_share=0.5, cue_rows=1)) == []


def test_negations_and_missing_holders_have_bounds_of_their_own():
    some = [row(0, "They will not go.", "anti", None), row(1, "They go.", "pro")]
    assert breaches(some, [], Bounds(negation_share=0.9, null_holder_share=0.8, cue_rows=1)) == [
        (
            "100.0% of the 1 rows with 'negation' are anti. Allowed: at most 0.9. "
            f"Rewrite or drop some of r0, or mend `audit.negation_share` {THEN}"
        ),
        (
            "100.0% of the 1 rows with 'no holder' are anti. Allowed: at most 0.8. "
            f"Rewrite or drop some of r0, or mend `audit.null_holder_share` {THEN}"
        ),
    ]


def test_labels_of_unlike_lengths_are_refused_with_the_shortest_rows():
    some = rows(("one two three four", "pro"), ("one two", "neutral"), ("one", "neutral"))
    assert breaches(some, [], Bounds(length_gap=2)) == [
        (
            "The median pro row has 4 words, the median neutral row 1.5. Allowed: a difference of at most 2. "
            f"Rewrite or drop some of r2, r1, or mend `audit.length_gap` {THEN}"
        ),
    ]
    assert breaches(some, [], Bounds(length_gap=2.5)) == []


def test_copies_with_the_same_target_and_label_are_refused_and_contrasts_are_not():
    some = [
        *rows(("go now", "pro"), ("go now!", "pro"), ("go not now", "anti")),
        row(3, "go now", "pro", target="exit"),
    ]
    pairs = [(0, 1, 0.9), (0, 2, 0.9), (0, 3, 1.0)]
    assert breaches(some, pairs, Bounds(near_duplicates=0)) == [
        (
            "1 pairs of near-duplicates have the same target and the same label. Allowed: at most 0. "
            f"Rewrite or drop some of r0 and r1, or mend `audit.near_duplicates` {THEN}"
        ),
    ]


def test_no_more_than_twenty_ids_are_listed():
    some = rows(*((f"home {number}", "pro") for number in range(25)))
    (fault,) = breaches(some, [], Bounds(cues=("home",), cue_share=0.6, cue_rows=25))
    assert f"r{LISTED - 1} and 5 more, or mend" in fault


def test_without_bounds_nothing_is_refused():
    some = [row(0, "home, not", "pro", None), row(1, "home, not", "pro", None)]
    assert breaches(some, [(0, 1, 1.0)], Bounds()) == []


def test_no_rows_break_nothing():
    assert breaches([], [], Bounds(length_gap=0, near_duplicates=0)) == []


def test_the_tables_show_shares_bounds_and_quantiles():
    some = rows(("home a", "pro"), ("home b", "pro"), ("home c", "anti"), ("d", "neutral"))
    cues, lengths = tables(some, CLASSES, Bounds(cues=("home",), cue_share=0.6, cue_rows=1))
    assert cues.rows == (
        ("rows with", "n", "pro", "anti", "neutral", "at most", "kept"),
        ("all rows", "4", "50.0%", "25.0%", "25.0%", "", ""),
        ("home", "3", "66.7%", "33.3%", "0.0%", "0.6", "NO"),
        ("negation", "0", "0.0%", "0.0%", "0.0%", "", ""),
        ("no holder", "0", "0.0%", "0.0%", "0.0%", "", ""),
    )
    assert lengths.rows == (
        ("label", "n", "5 %", "25 %", "50 %", "75 %", "95 %"),
        ("pro", "2", "2", "2", "2", "2", "2"),
        ("anti", "1", "2", "2", "2", "2", "2"),
        ("neutral", "1", "1", "1", "1", "1", "1"),
    )


def test_a_group_too_small_to_be_judged_has_no_verdict_in_the_table():
    some = rows(("home a", "pro"), ("b", "anti"))
    cues, _ = tables(some, CLASSES, Bounds(cues=("home",), cue_share=0.6, cue_rows=2))
    assert cues.rows[2] == ("home", "1", "100.0%", "0.0%", "0.0%", "", "")


def test_a_label_without_rows_has_no_quantiles():
    _, lengths = tables(rows(("a", "pro")), CLASSES, Bounds())
    assert lengths.rows[3] == ("neutral", "0", "–", "–", "–", "–", "–")


@pytest.mark.parametrize("bound", [0.57, 0.58])
def test_a_share_that_is_the_bound_to_the_last_digit_is_kept(bound):
    some = rows(*(("home", "pro" if number < round(100 * bound) else "anti") for number in range(100)))
    assert breaches(some, [], Bounds(cues=("home",), cue_share=bound)) == []


def test_of_labels_that_are_equally_short_the_first_by_name_is_named():
    some = rows(("one two three", "pro"), ("one", "neutral"), ("one", "anti"))
    (fault,) = breaches(some, [], Bounds(length_gap=1))
    assert "the median anti row 1." in fault
