"""Damage that scraping and translating do to a text changes no answer: `repair` takes it away before any model looks.

Expectations of behaviour, not of scores (Ribeiro et al. 2020, "Beyond Accuracy", section 2: invariance tests).
"""

from __future__ import annotations

import pytest

from stancemap import predict

CLEAN = '"Don\'t wait," the aide said. The soldiers must leave the valley & the town before winter.'
DAMAGED = {
    "entities": CLEAN.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#39;"),
    "entities that were escaped twice": CLEAN.replace("&", "&amp;amp;").replace("'", "&amp;#39;"),
    "entities with spaces in them": CLEAN.replace("&", "& amp;").replace("'", "& # 39;"),
    "a soft hyphen and a space of no width": CLEAN.replace("soldiers", "sol\u00addiers").replace(
        " town", "\u200b town"
    ),
    "spaces and line ends": f"  {CLEAN} ".replace(" said. ", "  said.\n").replace(" the town", "\tthe town"),
    "a sentence end without its space": CLEAN.replace("said. The", "said.The"),
}
MODELS = ("majority", "ngram", "embedding-tiny")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_changes_no_answer(finished, model, damage):
    folder = finished.model("withdrawal", model)
    assert predict(DAMAGED[damage], model=folder) == predict(CLEAN, model=folder)


@pytest.mark.parametrize("model", MODELS)
def test_a_damaged_target_is_the_target(finished, model):
    folder = finished.model("withdrawal", model)
    clean = predict(CLEAN, "withdrawal of the governor's troops", model=folder)
    assert predict(CLEAN, " withdrawal of the governor&#39;s  troops", model=folder) == clean


@pytest.mark.parametrize("model", ["ngram", "embedding-tiny"])
def test_the_text_is_read(finished, model):
    folder = finished.model("withdrawal", model)
    assert predict(CLEAN, model=folder) != predict("The council met on Tuesday.", model=folder)


@pytest.mark.parametrize("model", ["majority", "embedding-tiny"])
def test_the_target_is_read(finished, model):
    folder = finished.model("withdrawal", model)
    targets = ["withdrawal of US troops from Iraq", "withdrawal of US troops from Afghanistan"]
    one, other = predict([CLEAN, CLEAN], targets, model=folder)
    assert one.probabilities != other.probabilities
