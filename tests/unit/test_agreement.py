"""How far coders agree, against the values of Krippendorff's own example and of plain counting."""

from __future__ import annotations

import pytest

from stancemap.agreement import SMALLEST, agreement, by_slice
from stancemap.examples import Example


def example(number, coders, **fields):
    return Example(id=f"r{number}", text="They go.", target="t", label=coders[0], document="d", coders=coders, **fields)


def test_alpha_is_that_of_the_papers_binary_example():
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section A: ten units, alpha = 0.095.
    first, second = "0100000010", "1110010000"
    assert agreement(list(zip(first, second, strict=True))).alpha == pytest.approx(0.095, abs=5e-4)


def test_rows_may_have_more_coders_than_others():
    found = agreement([["pro", "pro", "pro"], ["anti", "anti"], ["pro", "anti", "anti"]])
    assert (found.n, found.differ, round(found.share, 3)) == (3, 1, 0.667)
    # three coders: 6 + 2 pairs agree and 4 of 6 differ, each weighed by 1 / (coders - 1); 4 pro, 4 anti of 8
    observed = (4 / 2) / 8
    expected = 2 * 4 * 4 / (8 * 7)
    assert found.alpha == pytest.approx(1 - observed / expected)


def test_where_all_say_the_same_alpha_is_not_defined():
    assert agreement([["pro", "pro"]]).alpha is None


def test_slices_hold_the_rows_with_two_coders_and_small_ones_are_left_out():
    some = [example(n, ["pro", "pro"], genre="news", source="wire", tags=["quote"]) for n in range(SMALLEST)]
    some += [example(100, ["anti", "neutral"], genre="cable"), example(101, ["pro"], genre="news")]
    found = by_slice(some)
    assert sorted(found) == [("", "all"), ("genre", "news"), ("label", "pro"), ("register", "wire"), ("tag", "quote")]
    assert (found["", "all"].n, found["", "all"].differ) == (SMALLEST + 1, 1)


def test_rows_with_one_coder_say_nothing_about_agreement():
    assert agreement([["pro"], ["pro", "pro"], ["anti", "anti"]]) == agreement([["pro", "pro"], ["anti", "anti"]])
    assert (agreement([]).n, agreement([]).share, agreement([]).alpha) == (0, 1.0, None)
