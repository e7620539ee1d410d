"""The encoder that serves: vectors of unit length, the same for a text whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stancemap.runtime import GRAPH, TOKENIZER, SentenceEncoder, processors

TEXTS = ["Troops.", "The council asked the foreign troops to leave within a year.", "撤军 🪖 ???", "word " * 500, ""]


@pytest.fixture
def folder(finished):
    """A bundle with a graph and a tokenizer."""
    return finished.model("withdrawal", "embedding-tiny")


@pytest.fixture
def encoder(folder):
    """The tiny encoder, cut at 64 tokens."""
    return SentenceEncoder(folder, 64)


def test_vectors_have_the_width_of_the_graph_and_unit_length(encoder):
    vectors = encoder.encode(TEXTS)
    assert encoder.width == 32
    assert vectors.shape == (5, 32)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=0, atol=1e-6)


def test_a_batch_equals_its_single_texts_to_the_last_bit(encoder):
    single = np.vstack([encoder.encode([text]) for text in TEXTS])
    assert encoder.encode(TEXTS).tobytes() == single.tobytes()


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_the_number_of_threads_changes_nothing(folder, encoder, threads):
    assert SentenceEncoder(folder, 64, threads).encode(TEXTS * 4).tobytes() == encoder.encode(TEXTS * 4).tobytes()


@settings(derandomize=True, deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=40), max_size=6), seed=st.randoms(use_true_random=False))
def test_vectors_follow_their_texts_in_any_order(encoder, texts, seed):
    order = list(range(len(texts)))
    seed.shuffle(order)
    shuffled = encoder.encode([texts[row] for row in order])
    assert shuffled.tobytes() == encoder.encode(texts)[order].tobytes()


def test_no_texts_give_no_vectors(encoder):
    assert encoder.encode([]).shape == (0, 32)


def test_texts_are_cut_at_the_maximum(folder):
    encoder = SentenceEncoder(folder, 8)
    (ids,) = encoder.tokenize(["word " * 100])
    assert len(ids) == 8
    assert encoder.encode(["word " * 100]).tobytes() == encoder.encode(["word " * 101]).tobytes()


def test_special_tokens_stand_around_every_text(encoder):
    assert [[ids[0], ids[-1]] for ids in encoder.tokenize(["", "troops", "word " * 500])] == [[2, 3]] * 3


def test_nobody_pads(encoder):
    assert [len(ids) for ids in encoder.tokenize(["", "troops " * 3])] == [2, 5]


@pytest.mark.parametrize("texts", [["a"], ["a", "b", "c"]])
def test_every_text_advances_by_one(encoder, texts):
    steps = []
    encoder.encode(texts, steps.append)
    assert steps == [1] * len(texts)


def test_a_folder_holds_all_that_is_needed(folder, tmp_path, monkeypatch):
    for name in (GRAPH, TOKENIZER):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert SentenceEncoder(tmp_path, 64).encode(TEXTS).tobytes() == SentenceEncoder(folder, 64).encode(TEXTS).tobytes()


def test_there_is_at_least_one_processor():
    assert processors() >= 1
    assert SentenceEncoder.__init__.__defaults__ == (None,)
