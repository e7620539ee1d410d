"""Damage is seeded and named; what `repair` has a name for, `repair` undoes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stancemap.errors import InputError
from stancemap.noise import IDIOMS, MENDABLE, NOISES, damage
from stancemap.repair import MENDS, repair

FOLDER = Path(__file__).resolve().parents[2] / "data" / "withdrawal"
TEXTS = [
    json.loads(line)["text"]
    for path in sorted(FOLDER.glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").split("\n")
    if line
]
TEXTS = [text for text in TEXTS if not repair(text).mends]  # damage upon damage can be past mending
SENTENCES = st.sampled_from(TEXTS)


def test_what_repair_mends_can_be_done_but_for_what_stands_in_no_clean_text():
    assert set(MENDS) - set(MENDABLE) == {"control"}


@pytest.mark.parametrize("kind", MENDABLE)
def test_repair_undoes_each_kind_that_it_has_a_name_for(kind):
    random = np.random.default_rng(7)
    damaged = [damage(text, random, [kind]) for text in TEXTS]
    done = [one for one in damaged if one.noises]
    assert len(done) >= 10
    assert [one.text for one in done if repair(one.text).text != repair(one.raw).text] == []


@settings(derandomize=True, deadline=None, max_examples=200)
@given(SENTENCES, st.integers(0, 2**32 - 1))
def test_repair_undoes_several_kinds_at_once(text, seed):
    damaged = damage(text, np.random.default_rng(seed), MENDABLE, most=len(MENDABLE))
    assert repair(damaged.text).text == repair(text).text


@settings(derandomize=True, deadline=None, max_examples=100)
@given(SENTENCES, st.integers(0, 2**32 - 1))
def test_one_seed_does_one_damage(text, seed):
    first, second = (damage(text, np.random.default_rng(seed)) for _ in range(2))
    assert first == second


@settings(derandomize=True, deadline=None, max_examples=100)
@given(SENTENCES, st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_no_more_kinds_are_done_than_asked_for_and_each_has_a_name(text, seed, most):
    damaged = damage(text, np.random.default_rng(seed), most=most)
    assert len(damaged.noises) <= most
    assert set(damaged.noises) <= set(NOISES)
    assert damaged.raw == text


@pytest.mark.parametrize(
    ("kind", "text", "results"),
    [
        ("glued-words", "they left", {"theyleft"}),
        ("lost-space", "If they go, we stay", {"If they go,we stay"}),
        ("stray-capital", "they", {"They"}),
        ("doubled-pronoun", "it ended", {"it it ended"}),
        ("doubled-pronoun", "They left", {"They left"}),
        ("article", "under the law", {"under law", "under a law", "under an law"}),
        ("article", "under a law", {"under law", "under the law"}),
        ("bad-quote", 'a "word', {"a word", "a ''word", "a ``word", "a ,,word", "a ”word"}),
        ("curly-quote", "it's", {"it’s"}),
        ("literal-idiom", "Boots on the ground", {"shoes on the earth"}),
        ("entity", "it's", {"it&#39;s", "it&#x27;s", "it&apos;s"}),
        ("broken-entity", "it's", {"it& # 39;s", "it& #39 ;s", "it&apos ;s"}),
        ("mojibake", "it’s", {"itâ€™s"}),
        ("soft-hyphen", "withdraw", {"with\xaddraw", "with\u200bdraw"}),
        ("spaces", "they go", {"they  go", "they\xa0go", "they\tgo", "they \ngo"}),
        ("glued-sentences", "They ended. Nobody knew", {"They ended.Nobody knew"}),
    ],
)
def test_a_kind_does_what_its_name_says(kind, text, results):
    found = {damage(text, np.random.default_rng(seed), [kind]).text for seed in range(60)}
    assert found == results


def test_a_text_without_a_spot_for_any_kind_stays_as_it_is():
    damaged = damage("42", np.random.default_rng(0))
    assert (damaged.text, damaged.noises) == ("42", ())


def test_an_idiom_is_never_made_of_another_one():
    assert [literal for literal in IDIOMS.values() if any(idiom in literal for idiom in IDIOMS)] == []


def test_what_did_not_last_is_not_named():
    """Of a text with one quotation mark only one kind of damage to it can be done."""
    found = {damage('said "no', np.random.default_rng(seed), ["bad-quote", "entity"]).noises for seed in range(60)}
    assert ("bad-quote", "entity") in found or ("bad-quote",) in found
    for seed in range(60):
        damaged = damage('said "no', np.random.default_rng(seed), ["bad-quote", "entity"], most=2)
        assert ("&" in damaged.text) == ("entity" in damaged.noises)


def test_a_kind_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(InputError) as error:
        damage("They go.", np.random.default_rng(0), ["stray-capitals"])
    assert str(error.value) == (
        "There is no such kind of noise. Got: 'stray-capitals'. Allowed: "
        f"{', '.join(sorted(NOISES))} (did you mean stray-capital?)."
    )
    with pytest.raises(InputError, match=r"^No kind of noise can be done\. Got: 0\. Allowed: `most` of 1 or more\.$"):
        damage("They go.", np.random.default_rng(0), most=0)
