"""What every kind of model keeps; a new kind needs a model in the project of tests/conftest.py, and no test here."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stancemap
from stancemap.bundle import read_head
from stancemap.errors import DataError, InputError, ModelError
from stancemap.kinds import kinds, open_model
from stancemap.prepared import columns_of, load_prepared

MODELS = ("majority", "ngram", "embedding-tiny")
CLASSES = ["pro-withdrawal", "anti-withdrawal", "neutral"]
ODD = {
    "text": ["", "?", "ὀλίγοι στρατιῶται", "🪖" * 40, "word " * 3000],
    "target": ["withdrawal of foreign troops", "", "closing of the naval base", "撤军", "x" * 5000],
}


@pytest.fixture(params=MODELS)
def fitted(request, finished):
    """A fitted model of each kind."""
    return open_model(finished.model("withdrawal", request.param))[0]


@pytest.fixture
def train(finished):
    """The rows that the models learnt from."""
    return columns_of(load_prepared(finished, "withdrawal")["train"])


@pytest.fixture
def frame(finished):
    """Forty rows that no model has seen, and five that nobody would write."""
    test = columns_of(load_prepared(finished, "withdrawal")["test"])
    return {name: [*test[name][:40], *ODD[name]] for name in ODD}


def unfitted(model):
    """Another model with the same parameters."""
    return type(model)(**model.get_params())


def files(folder):
    """Every file of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_kind_is_among_those_tested_here(finished):
    assert sorted(read_head(finished.model("withdrawal", name))["kind"] for name in MODELS) == kinds()


def test_rows_of_probabilities_sum_to_one(fitted, frame):
    probabilities = fitted.predict_proba(frame)
    assert probabilities.shape == (45, 3)
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)


@settings(derandomize=True, deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60), target=st.text(max_size=20))
def test_any_text_and_target_get_finite_probabilities(fitted, text, target):
    (row,) = fitted.predict_proba({"text": [text], "target": [target]})
    assert np.isfinite(row).all()
    assert abs(row.sum() - 1) < 1e-12


def test_predict_names_the_likeliest_class(fitted, frame):
    likeliest = fitted.predict_proba(frame).argmax(axis=1)
    assert fitted.predict(frame).tolist() == [CLASSES[column] for column in likeliest]


def test_columns_follow_the_order_of_classes(fitted, train, frame):
    assert fitted.classes_.tolist() == CLASSES
    turned = unfitted(fitted).fit(train, train["label"], classes=CLASSES[::-1])
    assert turned.classes_.tolist() == CLASSES[::-1]
    # The folds fall differently, so the temperature differs; but for it, the log-odds are those of the same columns.
    one, two = (np.log(found) for found in (turned.predict_proba(frame), fitted.predict_proba(frame)))
    one, two = (found - found.mean(axis=1, keepdims=True) for found in (one, two))
    assert np.corrcoef(one[:, ::-1].ravel(), two.ravel())[0, 1] > 0.99
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] < 0.9


def test_classes_are_sorted_unless_told(fitted, train):
    assert unfitted(fitted).fit(train, train["label"]).classes_.tolist() == sorted(CLASSES)


def test_a_round_trip_gives_the_same_probabilities_to_the_last_bit(fitted, frame, tmp_path):
    fitted.save(tmp_path / "copy", {"model": "copy"})
    restored, about = open_model(tmp_path / "copy")
    assert about == {"model": "copy"}
    assert restored.classes_.tolist() == CLASSES
    assert repr(restored) == repr(fitted)
    assert restored.predict_proba(frame).tobytes() == fitted.predict_proba(frame).tobytes()


def test_a_second_round_trip_changes_no_byte(fitted, tmp_path):
    fitted.save(tmp_path / "one", {})
    type(fitted).restore(tmp_path / "one").save(tmp_path / "two", {})
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_a_batch_equals_its_single_rows_to_the_last_bit(fitted, frame):
    single = [
        fitted.predict_proba({"text": [text], "target": [target]})
        for text, target in zip(frame["text"], frame["target"], strict=True)
    ]
    assert np.vstack(single).tobytes() == fitted.predict_proba(frame).tobytes()


def test_the_order_of_rows_does_not_matter(fitted, frame):
    order = np.random.default_rng(7).permutation(45)
    shuffled = {name: [column[row] for row in order] for name, column in frame.items()}
    assert fitted.predict_proba(shuffled).tobytes() == fitted.predict_proba(frame)[order].tobytes()


def test_predicting_changes_nothing_in_the_frame_or_the_model(fitted, frame, tmp_path):
    before = json.dumps(frame)
    first = fitted.predict_proba(frame)
    fitted.save(tmp_path / "one", {})
    assert fitted.predict_proba(frame).tobytes() == first.tobytes()
    fitted.save(tmp_path / "two", {})
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert json.dumps(frame) == before


def test_two_fits_with_one_seed_give_the_same_bytes(fitted, train, tmp_path):
    for name in ("one", "two"):
        unfitted(fitted).fit(train, train["label"], classes=CLASSES).save(tmp_path / name, {})
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_a_bundle_names_no_folder_of_the_machine_that_made_it(fitted, tmp_path):
    fitted.save(tmp_path / "one", {})
    folders = [str(Path(stancemap.__file__).parent).encode(), str(tmp_path).encode(), b"site-packages"]
    assert [name for name, content in files(tmp_path / "one").items() if any(one in content for one in folders)] == []


def test_fitting_again_forgets_the_first_fit(fitted, train, tmp_path):
    half = {name: column[::2] for name, column in train.items()}
    model = unfitted(fitted)
    model.fit(half, half["label"], classes=CLASSES)
    model.fit(train, train["label"], classes=CLASSES).save(tmp_path / "again", {})
    unfitted(fitted).fit(train, train["label"], classes=CLASSES).save(tmp_path / "once", {})
    assert files(tmp_path / "again") == files(tmp_path / "once")


class Interrupted(list):
    """A column that is never read to its end."""

    def __iter__(self):
        raise KeyboardInterrupt


def test_a_fit_that_was_stopped_leaves_no_model_that_answers(fitted, train, frame):
    broken = {**train, "text": Interrupted(train["text"]), "target": Interrupted(train["target"])}
    model = unfitted(fitted).fit(train, train["label"], classes=CLASSES)
    with pytest.raises(KeyboardInterrupt):
        model.fit(broken, train["label"], classes=CLASSES[::-1])
    with pytest.raises(ModelError):
        model.predict(frame)


@pytest.mark.parametrize("ask", ["predict", "predict_proba"])
def test_an_unfitted_model_is_refused(fitted, frame, ask):
    with pytest.raises(ModelError) as raised:
        getattr(unfitted(fitted), ask)(frame)
    assert str(raised.value) == f"This {type(fitted).__name__} is not fitted. Call fit or load a folder."


def test_an_unfitted_model_is_not_saved(fitted, tmp_path):
    with pytest.raises(ModelError) as raised:
        unfitted(fitted).save(tmp_path / "model", {})
    assert str(raised.value) == f"This {type(fitted).__name__} is not fitted. Call fit or load a folder."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"]}, "The column 'target' is missing. Got: 'text'. Allowed: text, target."),
        ({"target": ["a"], "n": [1]}, "The column 'text' is missing. Got: 'target, n'. Allowed: text, target."),
        ({}, "The column 'text' is missing. Got: 'no columns'. Allowed: text, target."),
        ({"text": ["a", "b"], "target": ["c"]}, "2 texts came with 1 targets."),
    ],
)
def test_a_frame_that_is_no_table_of_texts_and_targets_is_refused(fitted, columns, message):
    for ask in (fitted.predict_proba, fitted.predict, lambda frame: unfitted(fitted).fit(frame, ["x"])):
        with pytest.raises(InputError) as raised:
            ask(columns)
        assert str(raised.value) == message


def test_labels_of_another_length_are_refused(fitted):
    with pytest.raises(InputError) as raised:
        unfitted(fitted).fit({"text": ["a", "b"], "target": ["c", "c"]}, ["x"])
    assert str(raised.value) == "2 rows came with 1 labels. Pass one label for each row."


def test_an_unknown_label_is_refused(fitted):
    with pytest.raises(InputError) as raised:
        unfitted(fitted).fit({"text": ["a", "b"], "target": ["c", "c"]}, ["x", "y"], classes=["x", "z"])
    assert str(raised.value) == "A label is unknown. Got: 'y'. Allowed: x, z."


def test_a_class_without_a_row_is_refused(fitted):
    with pytest.raises(DataError) as raised:
        unfitted(fitted).fit({"text": ["a", "b"], "target": ["c", "c"]}, ["x", "x"], classes=["x", "y"])
    assert str(raised.value) == "The label y has no row to learn from. Add rows that carry it."


def test_a_fit_without_rows_is_refused(fitted):
    with pytest.raises(DataError) as raised:
        unfitted(fitted).fit({"text": [], "target": []}, [])
    assert str(raised.value) == "There are no rows to learn from. Pass a frame with rows."


def test_parameters_are_read_and_set_by_name(fitted):
    other = unfitted(fitted)
    name, value = next((name, value) for name, value in other.get_params().items() if not isinstance(value, str))
    assert other.set_params(**{name: value + 1}) is other
    assert other.get_params() == {**fitted.get_params(), name: value + 1}
    assert getattr(other, name) == value + 1


def test_an_unknown_parameter_is_refused(fitted):
    allowed = ", ".join(fitted.get_params())
    with pytest.raises(InputError) as raised:
        fitted.set_params(bogus=1)
    assert str(raised.value) == f"Unknown parameter. Got: 'bogus'. Allowed: {allowed}."


def test_a_clone_has_the_parameters_and_nothing_that_was_learnt(fitted, frame):
    from sklearn.base import clone

    other = clone(fitted)
    assert type(other) is type(fitted)
    assert other.get_params() == fitted.get_params()
    with pytest.raises(ModelError):
        other.predict_proba(frame)


def test_names_of_what_was_learnt_end_in_an_underscore(fitted, train):
    other = unfitted(fitted)
    assert set(vars(other)) == set(fitted.get_params())
    other.fit(train, train["label"])
    assert {name for name in vars(other) if not name.endswith("_")} == set(fitted.get_params())


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_cross_validation_of_scikit_learn_works(fitted, train, scoring):
    import pandas as pd
    from sklearn.model_selection import cross_val_score

    rows = pd.DataFrame({name: train[name] for name in ("text", "target", "document")})
    found = cross_val_score(
        unfitted(fitted), rows, np.array(train["label"]), cv=2, scoring=scoring, error_score="raise"
    )
    assert found.shape == (2,)
    assert np.isfinite(found).all()


def test_restoring_and_predicting_never_touch_the_network(fitted, finished, frame, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    fitted.save(tmp_path / "alone", {})
    monkeypatch.chdir(tmp_path)
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    restored = type(fitted).restore(tmp_path / "alone")
    assert restored.predict_proba(frame).tobytes() == fitted.predict_proba(frame).tobytes()


def test_a_folder_answers_when_all_else_is_gone(fitted, frame, monkeypatch, tmp_path):
    expected = fitted.predict_proba(frame)
    fitted.save(tmp_path / "alone", {})
    for name in ("STANCEMAP_CACHE", "STANCEMAP_ENCODERS"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    assert type(fitted).restore(tmp_path / "alone").predict_proba(frame).tobytes() == expected.tobytes()


def test_no_pickle_lies_in_the_folder(fitted, tmp_path):
    fitted.save(tmp_path / "model", {})
    assert {path.suffix for path in (tmp_path / "model").rglob("*")} <= {".json", ".safetensors", ".onnx"}


def test_an_empty_frame_gives_no_rows_of_three_columns(fitted):
    assert fitted.predict_proba({"text": [], "target": []}).shape == (0, 3)
    assert fitted.predict({"text": [], "target": []}).tolist() == []


def test_a_data_frame_of_pandas_is_a_frame(fitted, frame):
    import pandas as pd

    table = pd.DataFrame({**frame, "other": 1}, index=range(100, 55, -1))
    assert fitted.predict_proba(table).tobytes() == fitted.predict_proba(frame).tobytes()
    assert fitted.predict(table).tolist() == fitted.predict(frame).tolist()


def test_numpy_columns_are_a_frame(fitted, frame):
    columns = {name: np.array(column, dtype=object) for name, column in frame.items()}
    assert fitted.predict_proba(columns).tobytes() == fitted.predict_proba(frame).tobytes()


def test_the_representation_shows_the_parameters(fitted):
    shown = ", ".join(f"{name}={value!r}" for name, value in fitted.get_params().items())
    assert repr(fitted) == f"{type(fitted).__name__}({shown})"
