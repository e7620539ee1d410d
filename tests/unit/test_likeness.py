"""Two sets of texts beside each other: the same statistics, and a classifier that tells them apart if it can."""

from __future__ import annotations

import numpy as np
import pytest

from stancemap.errors import DataError
from stancemap.likeness import likeness_tables, statistics, telling_words, told_apart

DOCUMENTS = [f"d{number}" for number in range(200)]


def test_the_statistics_are_means_over_texts():
    found = statistics(['"We stay," he said.', "They left in 2011, with no plan."], ["stay|remain"])
    assert found["words"] == 5.5
    assert found["commas"] == 1
    assert found["% with a quotation"] == 50
    assert found["% with a digit"] == 50
    assert found["% with a negation"] == 50
    assert found["% with I, we or our"] == 50
    assert found["% with said, told or says"] == 50
    assert found["% with stay|remain"] == 50
    assert found["names (capitalised words inside)"] == 0


def test_the_readability_index_is_that_of_its_formula():
    # Senter and Smith 1967: 4.71 letters a word + 0.5 words a sentence - 21.43
    assert statistics(["Abcd efgh. Ijkl mnop."])["automated readability index"] == pytest.approx(4.71 * 4 + 1 - 21.43)


def test_a_text_without_words_has_statistics_too():
    assert np.isfinite(list(statistics(["..."]).values())).all()


def test_two_draws_of_one_distribution_cannot_be_told_apart():
    random = np.random.default_rng(0)
    assert told_apart(random.normal(size=(100, 3)), random.normal(size=(100, 3)), DOCUMENTS, 0) == pytest.approx(
        0.5, abs=0.12
    )


def test_two_that_lie_apart_are_told_apart():
    random = np.random.default_rng(0)
    assert told_apart(random.normal(size=(100, 3)), random.normal(size=(100, 3)) + 4, DOCUMENTS, 0) > 0.99


def test_a_document_is_never_on_both_sides_of_a_fold():
    """Rows that are equal inside a document and random between documents tell nothing about other documents."""
    random = np.random.default_rng(0)
    vectors = np.repeat(random.normal(size=(20, 30)), 10, axis=0)
    documents = [f"d{number // 10}" for number in range(200)]
    assert told_apart(vectors[:100], vectors[100:], documents, 0) < 0.9


def test_telling_words_name_what_only_one_side_says():
    ours = [f"the spokesman told reporters {number}" for number in range(20)]
    theirs = [f"the troops withdraw {number}" for number in range(20)]
    overused, lacking = telling_words(ours, theirs)
    assert {word for word, our, their in overused if our == 100 and their == 0} >= {"told", "spokesman"}
    assert {word for word, our, their in lacking if our == 0 and their == 100} >= {"withdraw", "troops"}


def test_the_tables_name_both_sides_and_their_sizes():
    ours = [(f"the spokesman told reporters {number}", f"d{number}") for number in range(20)]
    theirs = [(f"the troops withdraw {number}", f"d{number}") for number in range(30)]
    beside, apart, overused, lacking = likeness_tables([ours, theirs], ["withdraw"], None, 0)
    assert beside.rows[0] == ("statistic", "ours (20)", "theirs (30)")
    assert beside.rows[-1] == ("% with withdraw", "0.0", "100.0")
    assert apart.rows[1] == ("words and pairs of words", "1.000")
    assert (overused.title, lacking.title) == ("Ours overuses", "Ours lacks")


def test_a_side_of_one_document_is_refused():
    vectors = np.zeros((4, 2))
    with pytest.raises(DataError) as error:
        told_apart(vectors, vectors, ["d1", "d2", "d3", "d4", *["one"] * 4], 0)
    assert str(error.value) == (
        "One of the two sides is a single document, so that nothing can be held back. Pass text of several documents."
    )
