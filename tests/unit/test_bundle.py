"""A bundle comes back bit for bit, is there whole or not at all, and says what is wrong with a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from stancemap.bundle import (
    ARRAYS,
    FORMAT,
    HEAD,
    digest,
    fingerprint,
    read_bundle,
    read_head,
    read_json,
    replacing,
    verify,
    write_bundle,
    write_json,
)
from stancemap.errors import ModelError

ABOUT = {"kind": "majority", "params": {"prior": 1.0}, "classes": ["pro", "anti"], "state": {}, "about": {"n": "é"}}
WEIGHTS = {"weights": np.arange(6.0).reshape(2, 3), "biases": np.array([0.1, -0.2])}
CUT_SHORT = "The copy was cut short: fit the model again, or copy the folder afresh."
NO_MODEL = "Pass a folder such as models/withdrawal/ngram, a models:/ address, or train with `dvc repro`."


def add_words(folder):
    (folder / "words.txt").write_text("leave\nstay\n")


def fail(folder):
    (folder / "half.txt").write_text("lea")
    raise KeyboardInterrupt


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """The folder `model` below the current one."""
    monkeypatch.chdir(tmp_path)
    write_bundle(Path("model"), ABOUT, WEIGHTS, add_words)
    return Path("model")


def refusal(call, folder):
    with pytest.raises(ModelError) as error:
        call(folder)
    return str(error.value)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_holds_its_head_its_arrays_and_the_files_of_its_kind(bundle):
    assert left_in(bundle) == [ARRAYS, HEAD, "words.txt"]


def test_the_head_says_what_was_given_and_what_every_file_is(bundle):
    files = {
        name: {"bytes": (bundle / name).stat().st_size, "sha256": digest(bundle / name)}
        for name in (ARRAYS, "words.txt")
    }

    assert read_head(bundle) == {"format": FORMAT, **ABOUT, "files": files}
    assert files["words.txt"] == {
        "bytes": 11,
        "sha256": "4e7725e39a501338adbf33a60e463967b2bc63cba2a0f36ddaab30f73b3cf24d",
    }


KINDS = [np.float64, np.float32, np.int64, np.int32, np.int8, np.bool_]
some_arrays = st.sampled_from(KINDS).flatmap(
    lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4))
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.dictionaries(st.from_regex(r"[a-z.]{1,8}", fullmatch=True), some_arrays, max_size=4))
def test_arrays_come_back_bit_for_bit(tmp_path_factory, given_arrays):
    folder = tmp_path_factory.mktemp("bundles") / "model"
    write_bundle(folder, ABOUT, given_arrays, lambda _: None)

    _, back = read_bundle(folder)

    assert {name: (array.dtype, array.shape, array.tobytes()) for name, array in back.items()} == {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in given_arrays.items()
    }


def test_an_array_that_lies_in_memory_by_columns_comes_back_by_rows(tmp_path):
    by_columns = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    write_bundle(tmp_path / "model", ABOUT, {"weights": by_columns}, lambda _: None)

    assert read_bundle(tmp_path / "model")[1]["weights"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_the_same_model_has_the_same_fingerprint(bundle):
    backwards = dict(reversed(WEIGHTS.items()))
    write_bundle(Path("again"), ABOUT, backwards, add_words)

    assert fingerprint(Path("again")) == fingerprint(bundle)


def test_another_weight_is_another_fingerprint(bundle):
    write_bundle(Path("other"), ABOUT, {**WEIGHTS, "biases": np.array([0.1, -0.3])}, add_words)

    assert fingerprint(Path("other")) != fingerprint(bundle)


def test_a_truncated_file_is_refused_with_both_sizes(bundle):
    whole = (bundle / ARRAYS).read_bytes()
    (bundle / ARRAYS).write_bytes(whole[:100])

    message = f"The model file model/{ARRAYS} has 100 bytes instead of {len(whole)}. {CUT_SHORT}"
    assert refusal(read_bundle, bundle) == message


@pytest.mark.parametrize("check", [read_bundle, verify])
@pytest.mark.parametrize("name", [ARRAYS, "words.txt"])
def test_a_missing_file_is_refused(bundle, name, check):
    (bundle / name).unlink()

    assert refusal(check, bundle) == f"The model file model/{name} is missing. {CUT_SHORT}"


def test_arrays_that_are_no_arrays_are_refused(bundle):
    size = (bundle / ARRAYS).stat().st_size
    (bundle / ARRAYS).write_bytes(b"\xff" * size)

    assert refusal(read_bundle, bundle) == (
        f"model/{ARRAYS} cannot be read: Error while deserializing header: header too large. Fit the model again."
    )


def test_verify_notices_a_file_that_was_changed(bundle):
    (bundle / "words.txt").write_text("leave\nSTAY\n")

    assert refusal(verify, bundle) == "The model file model/words.txt was changed. Fit the model again."


def test_verify_is_content_with_a_bundle_as_it_was_written(bundle):
    assert verify(bundle) is None


def change_head(bundle, change):
    head = json.loads((bundle / HEAD).read_text(encoding="utf-8"))
    (bundle / HEAD).write_text(json.dumps(change(head)), encoding="utf-8")


@pytest.mark.parametrize(("written", "got"), [(2, "Got: 2. "), ("1", "Got: '1'. "), (None, "")])
def test_a_bundle_of_a_newer_format_is_refused(bundle, written, got):
    change_head(bundle, lambda head: {"format": written, "layers": []} | {"files": head["files"]})

    message = f"model is of another format. {got}Allowed: format 1. Upgrade stancemap, or fit the model again."
    assert refusal(read_bundle, bundle) == message


@pytest.mark.parametrize("place", ["nowhere", "empty", "words.txt"])
def test_what_is_no_bundle_is_refused(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("words.txt").write_text("leave")

    assert refusal(read_bundle, Path(place)) == f"{place} is no model: it holds no model.json. {NO_MODEL}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b'{"format": 1',
            "model/model.json cannot be read: Expecting ',' delimiter: line 1 column 13 (char 12).",
        ),
        (
            b"\xff\xfe",
            "model/model.json cannot be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte.",
        ),
        (b"", "model/model.json cannot be read: Expecting value: line 1 column 1 (char 0)."),
        (b"[1]", "model/model.json is no mapping of keys to values. Got: [1]."),
        (b"null", "model/model.json is no mapping of keys to values."),
        (b"{}", "model/model.json lacks kind, params, classes, state, about, files."),
    ],
)
def test_a_head_that_is_broken_is_refused(bundle, content, reason):
    (bundle / HEAD).write_bytes(content)

    assert refusal(read_bundle, bundle) == f"{reason} Fit the model again."


def test_a_head_that_lacks_a_part_is_refused(bundle):
    change_head(bundle, lambda head: {key: value for key, value in head.items() if key != "files"})

    assert refusal(read_bundle, bundle) == "model/model.json lacks files. Fit the model again."


def test_a_write_that_fails_keeps_the_old_bundle(bundle):
    before = contents(bundle)

    with pytest.raises(KeyboardInterrupt):
        write_bundle(bundle, ABOUT, {}, fail)

    assert contents(bundle) == before


def test_a_write_that_fails_leaves_no_draft_behind(bundle):
    with pytest.raises(KeyboardInterrupt):
        write_bundle(Path("other"), ABOUT, {}, fail)

    assert left_in(Path()) == ["model"]


def test_a_head_that_json_cannot_hold_leaves_no_draft_behind(bundle):
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        write_bundle(Path("other"), {**ABOUT, "params": {"prior": float("inf")}}, {}, add_words)

    assert left_in(Path()) == ["model"]


def test_replacing_leaves_nothing_of_the_old_folder(bundle):
    with replacing(bundle) as draft:
        (draft / "new.txt").write_text("new")

    assert contents(bundle) == {"new.txt": b"new"}
    assert left_in(Path()) == ["model"]


def test_the_old_folder_is_there_until_the_block_ends(bundle):
    with replacing(bundle) as draft:
        (draft / "new.txt").write_text("new")
        during = left_in(bundle)

    assert during == [ARRAYS, HEAD, "words.txt"]


def test_the_old_folder_comes_away_in_one_move(bundle, monkeypatch):
    """Whoever reads while a folder is replaced finds all of it or none of it, never some of its files."""
    met = []
    monkeypatch.setattr("shutil.rmtree", lambda folder, **_: met.append((folder.name == "model", bundle.exists())))

    with replacing(bundle) as draft:
        (draft / "new.txt").write_text("new")

    assert met
    assert (True, True) not in met


def test_a_replaced_folder_can_be_read_by_all(bundle):
    assert oct(bundle.stat().st_mode)[-3:] == "755"


def test_replacing_makes_the_folders_above(tmp_path):
    with replacing(tmp_path / "a" / "b" / "c") as draft:
        (draft / "new.txt").write_text("new")

    assert left_in(tmp_path / "a" / "b") == ["c"]


def test_json_is_written_readably(tmp_path):
    write_json(tmp_path / "a" / "some.json", {"name": "é", "values": [1, 0.5]})

    expected = '{\n "name": "é",\n "values": [\n  1,\n  0.5\n ]\n}\n'
    assert (tmp_path / "a" / "some.json").read_text(encoding="utf-8") == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(json_values)
def test_json_comes_back_as_it_was_written(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("json") / "some.json"
    write_json(path, content)

    assert read_json(path) == content


@pytest.mark.parametrize("content", [{"a": float("nan")}, {"a": object()}, {"a": "\udc80"}])
def test_json_that_cannot_be_written_keeps_the_old_file_and_leaves_no_draft(tmp_path, content):
    write_json(tmp_path / "some.json", {"a": 1})

    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "some.json", content)

    assert contents(tmp_path) == {"some.json": b'{\n "a": 1\n}\n'}


def test_json_is_put_in_its_place_in_one_move(tmp_path, monkeypatch):
    """A reader that opened the old file goes on reading the old file."""
    path = tmp_path / "some.json"
    write_json(path, {"a": 1})

    with path.open() as old:
        write_json(path, {"a": 2, "b": 3})
        assert json.load(old) == {"a": 1}

    assert read_json(path) == {"a": 2, "b": 3}


def test_the_digest_is_the_sha256(tmp_path):
    (tmp_path / "some").write_bytes(b"abc")

    assert digest(tmp_path / "some") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
