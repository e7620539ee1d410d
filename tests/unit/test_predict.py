"""`predict` and `load`: what comes back for what goes in, and every sentence that refuses."""

from __future__ import annotations

import contextlib
import contextvars
import json
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stancemap import Prediction, load, predict
from stancemap.errors import InputError, ModelError, RegistryError
from stancemap.progress import show_with

NGRAM = "models/withdrawal/ngram"
TINY = "models/withdrawal/embedding-tiny"
GENERIC = "withdrawal of foreign troops"
LEAVE = "The troops should leave the country."
STAY = "Without the garrison nobody would be safe."
AIM = "withdrawal of the UN force"

ALLOWED = "Allowed: a string of 1 to 10,000 characters."
EMPTY = f"The text is empty. Got: ''. {ALLOWED} Fill it in or drop the row."
COLUMN = "Allowed: a string, or a list or Series of strings. Pass one column."
OUTSIDE = (
    "The target is outside the family of the model ngram on withdrawal. Got: 'abortion'. "
    "Allowed: an action such as 'withdrawal of foreign troops'. Name the action in such words, or train on a dataset "
    "of your own: see `Your own issue` in README.md."
)


@pytest.fixture(autouse=True)
def project(finished, monkeypatch):
    """The finished project as the current folder, and no registry or model named in the environment."""
    for name in ("MLFLOW_TRACKING_URI", "STANCEMAP_MODEL", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return finished


@pytest.fixture
def tiny(project, tmp_path):
    """A copy of the encoder model, to be damaged."""
    return shutil.copytree(project.root / TINY, tmp_path / "tiny")


def expected(texts, targets, model=NGRAM):
    """What the estimator itself says of repaired texts and targets."""
    fitted = load(model)
    labels = fitted.classes_.tolist()
    rows = fitted.predict_proba({"text": texts, "target": targets})
    return [
        Prediction(labels[row.argmax()], dict(zip(labels, row.tolist(), strict=True)), target)
        for row, target in zip(rows, targets, strict=True)
    ]


def refusal(*args, error=InputError, **kwargs):
    """The message with which `predict` refuses."""
    with pytest.raises(error) as raised:
        predict(*args, **{"model": NGRAM, **kwargs})
    return str(raised.value)


def test_a_sentence_gets_one_prediction():
    found = predict(LEAVE, model=NGRAM)
    assert found == expected([LEAVE], [GENERIC])[0]
    assert type(found) is Prediction
    assert type(found.label) is str
    assert {type(value) for value in found.probabilities.values()} == {float}


def test_a_list_gets_a_list_in_its_order():
    assert predict([LEAVE, STAY], model=NGRAM) == expected([LEAVE, STAY], [GENERIC] * 2)


def test_an_empty_list_gets_an_empty_list():
    assert predict([], model=NGRAM) == []


def test_a_list_of_one_gets_a_list():
    assert predict([LEAVE], model=NGRAM) == expected([LEAVE], [GENERIC])


def as_series(texts):
    import pandas as pd

    return pd.Series(texts, index=range(10, 10 + len(texts)))


def as_categories(texts):
    return as_series(texts).astype("category")


@pytest.mark.parametrize("wrap", [tuple, iter, np.array, as_series, as_categories])
def test_any_sequence_of_sentences_gets_a_list(wrap):
    assert predict(wrap([LEAVE, STAY]), model=NGRAM) == expected([LEAVE, STAY], [GENERIC] * 2)


def test_a_generator_gets_a_list():
    assert predict((text for text in (LEAVE, STAY)), model=NGRAM) == expected([LEAVE, STAY], [GENERIC] * 2)


def test_one_target_counts_for_all():
    assert predict([LEAVE, STAY], AIM, model=NGRAM) == expected([LEAVE, STAY], [AIM, AIM])


@pytest.mark.parametrize("wrap", [list, iter, as_series])
def test_there_may_be_one_target_for_each(wrap):
    assert predict([LEAVE, STAY], wrap([AIM, GENERIC]), model=NGRAM) == expected([LEAVE, STAY], [AIM, GENERIC])


def test_a_target_of_none_is_the_generic_one():
    found = predict([LEAVE, STAY], [None, AIM], model=NGRAM)
    assert [one.target for one in found] == [GENERIC, AIM]


def test_a_target_may_begin_with_a_word_of_the_family_in_any_case():
    found = predict([LEAVE] * 3, ["REMOVAL of garrisons", "closing of the Army bases", "ending the (military) mission"])
    assert [one.target for one in found] == [
        "REMOVAL of garrisons",
        "closing of the Army bases",
        "ending the (military) mission",
    ]


def test_a_word_of_the_family_inside_another_word_does_not_count():
    assert refusal(LEAVE, "closing of a database").startswith("The target is outside the family of the model ngram")


def test_texts_and_targets_are_repaired_as_the_training_rows_were():
    found = predict("&quot;They must go,&quot;  he\u00a0said.", "withdrawal  of&nbsp;troops", model=NGRAM)
    assert found == expected(['"They must go," he said.'], ["withdrawal of troops"])[0]


@pytest.mark.parametrize("model", [NGRAM, TINY])
def test_a_batch_equals_its_single_texts(model):
    texts = [f"{LEAVE} They came {years} years ago." for years in range(130)]
    assert predict(texts, model=model) == [predict(text, model=model) for text in texts]


@settings(derandomize=True, deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80))
def test_every_text_is_answered_or_refused_with_a_sentence(text):
    try:
        found = predict(text, model=NGRAM)
    except InputError as error:
        assert str(error).startswith("The text ")  # noqa: PT017 - either outcome is right
    else:
        assert abs(sum(found.probabilities.values()) - 1) < 1e-12
        assert found.probabilities[found.label] == max(found.probabilities.values())


UNUSABLE = [
    ("", EMPTY),
    (
        " \t\n\u00a0",
        (
            f"The text holds nothing but spaces and invisible characters. Got: ' \\t\\n\\xa0'. {ALLOWED} "
            "Fill it in or drop the row."
        ),
    ),
    (
        "\u200b\ufeff",
        (
            f"The text holds nothing but spaces and invisible characters. Got: '\\u200b\\ufeff'. {ALLOWED} "
            "Fill it in or drop the row."
        ),
    ),
    (
        "a\0b",
        (
            "The text holds NUL, U+0000 at index 1; a binary file or a wrong encoding is likely. Allowed: text. "
            "Open the file with the encoding it was written in, such as utf-16."
        ),
    ),
    (
        "a\x1b[31mb",
        (
            "The text holds the control character U+001B at index 1. Allowed: of control characters only tab, newline, "
            "carriage return, form feed and vertical tab. Remove it."
        ),
    ),
    (
        "caf\udce9",
        (
            "The text holds a byte that could not be decoded, U+DCE9 at index 3; a binary file or a wrong encoding is "
            "likely. Allowed: text. Open the file with the encoding it was written in, such as windows-1252."
        ),
    ),
]


@pytest.mark.parametrize(("text", "message"), UNUSABLE)
def test_an_unusable_text_is_refused(text, message):
    assert refusal(text) == message


@pytest.mark.parametrize(("text", "message"), UNUSABLE)
def test_an_unusable_text_among_others_is_named(text, message):
    assert refusal([LEAVE, text, STAY]) == f"text 1: {message}"


@pytest.mark.parametrize(("target", "message"), UNUSABLE)
def test_an_unusable_target_is_refused(target, message):
    assert refusal(LEAVE, target) == f"target: {message}"


def test_a_sentence_of_a_megabyte_is_refused():
    assert refusal("word " * 200_000).startswith(f"The text is too long: it has 1,000,000 characters. {ALLOWED} ")


def test_a_sentence_at_the_limit_is_answered():
    assert predict("a" * 10_000, model=NGRAM).label in load(NGRAM).classes_
    assert refusal("a" * 10_001).startswith(f"The text is too long: it has 10,001 characters. {ALLOWED} ")


@pytest.mark.parametrize(
    ("cell", "kind", "shown"),
    [(3, "int", "3"), (b"x", "bytes", "b'x'"), (["x"], "list", "['x']"), (1.5, "float", "1.5"), (True, "bool", "True")],
)
def test_a_cell_that_is_no_string_is_named(cell, kind, shown):
    expected = f"text 1: The text is no string but of type {kind}. Got: {shown}. {ALLOWED} Pass the sentence itself."
    assert refusal([LEAVE, cell]) == expected


@pytest.mark.parametrize(("cell", "got"), [(None, ""), (float("nan"), " Got: nan.")])
def test_a_missing_cell_is_named(cell, got):
    assert refusal([LEAVE, cell]) == f"text 1: The text is missing.{got} {ALLOWED} Fill it in or drop the row."


def table():
    import pandas as pd

    return pd.DataFrame({"text": [LEAVE]})


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: b"The troops left.", "bytes"),
        (lambda: bytearray(b"The troops left."), "bytearray"),
        (lambda: memoryview(b"The troops left."), "memoryview"),
        (lambda: 3, "int"),
        (lambda: None, "NoneType"),
        (lambda: {"text": [LEAVE]}, "dict"),
        (lambda: {LEAVE, STAY}, "set"),
        (lambda: np.array(LEAVE), "ndarray"),
        (lambda: np.array([[LEAVE, STAY]]), "ndarray"),
        (table, "DataFrame"),
    ],
)
def test_what_is_no_column_of_texts_is_refused(make, kind):
    assert refusal(make()) == f"text is of type {kind}. {COLUMN}"
    if kind != "NoneType":
        assert refusal([LEAVE], make()) == f"target is of type {kind}. {COLUMN}"


@pytest.mark.parametrize(
    ("texts", "targets", "message"),
    [
        ([LEAVE, STAY], [AIM], "2 texts came with 1 targets"),
        ([LEAVE], [AIM, AIM], "1 texts came with 2 targets"),
        (LEAVE, [AIM, AIM], "1 texts came with 2 targets"),
        ([], [AIM], "0 texts came with 1 targets"),
    ],
)
def test_lengths_that_differ_are_refused(texts, targets, message):
    assert refusal(texts, targets) == f"{message}. Pass one target for all, or one for each."


def test_a_target_of_another_family_is_refused():
    assert refusal(LEAVE, "abortion") == OUTSIDE


def test_a_wrong_target_for_all_is_one_fault():
    assert refusal([LEAVE, STAY, LEAVE], "abortion") == OUTSIDE


def test_a_wrong_target_of_one_row_is_named():
    assert refusal([LEAVE, STAY], [AIM, "abortion"]) == f"text 1: {OUTSIDE}"


def test_up_to_twenty_rows_are_named():
    assert refusal([LEAVE, *[""] * 20]) == "\n".join(f"text {row}: {EMPTY}" for row in range(1, 21))


def test_after_twenty_rows_the_rest_is_counted():
    named = [f"text {row}: {EMPTY}" for row in range(20)]
    assert refusal([""] * 25) == "\n".join([*named, "... and 5 more"])


def test_text_and_target_faults_stand_in_the_order_of_rows():
    assert refusal([LEAVE, ""], ["abortion", AIM]) == f"text 0: {OUTSIDE}\ntext 1: {EMPTY}"


@pytest.mark.parametrize("how", [str, lambda path: path])
def test_a_model_may_be_a_folder_anywhere(project, monkeypatch, tmp_path, how):
    wanted = predict(LEAVE, model=NGRAM)
    monkeypatch.chdir(tmp_path)
    assert predict(LEAVE, model=how(project.root / NGRAM)) == wanted


def champion(project, dataset="withdrawal"):
    """The folder of the model that `select` named."""
    return project.model(dataset, json.loads((project.reports(dataset) / "selection.json").read_text())["champion"])


@pytest.mark.parametrize("model", [None, "champion", "models:/stancemap-withdrawal@champion"])
def test_the_champion_answers_unless_told_otherwise(project, model):
    assert predict(LEAVE, model=model) == predict(LEAVE, model=champion(project))


@pytest.mark.parametrize("model", ["challenger", "models:/stancemap-withdrawal@challenger"])
def test_an_alias_names_another_version(project, model):
    named = json.loads((project.reports("withdrawal") / "selection.json").read_text())["challenger"]
    assert predict(LEAVE, model=model) == predict(LEAVE, model=project.model("withdrawal", named))


def test_an_address_may_name_a_version(project):
    head = json.loads((project.model("withdrawal", "majority") / "model.json").read_text())
    found = load("models:/stancemap-withdrawal/1")
    assert found.classes_.tolist() == head["classes"]
    assert repr(found) == "Majority(prior=1.0)"


def test_the_environment_may_name_the_model(monkeypatch):
    monkeypatch.setenv("STANCEMAP_MODEL", TINY)
    assert predict(LEAVE) == predict(LEAVE, model=TINY)
    assert predict(LEAVE, model=NGRAM) == expected([LEAVE], [GENERIC])[0]


def test_an_empty_name_in_the_environment_means_the_champion(project, monkeypatch):
    monkeypatch.setenv("STANCEMAP_MODEL", "")
    assert predict(LEAVE) == predict(LEAVE, model=champion(project))


NAMES = "Allowed: a folder, an alias, or models:/NAME@ALIAS."


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (3, InputError, f"model is of type int. {NAMES}"),
        ("", InputError, f"model is empty. {NAMES} Leave it out for the champion."),
        (
            "models/withdrawal/ngrm",
            ModelError,
            (
                "There is no model folder models/withdrawal/ngrm. Allowed: embedding-tiny, majority, ngram (did "
                "you mean ngram?). Pass an existing folder, an alias, or models:/NAME@ALIAS."
            ),
        ),
        (
            "~nobody-of-that-name/ngram",
            ModelError,
            (
                "There is no model folder ~nobody-of-that-name/ngram. Pass an existing folder, an alias, or "
                "models:/NAME@ALIAS."
            ),
        ),
        (
            "chalenger",
            RegistryError,
            (
                "The registry holds no model models:/stancemap-withdrawal@chalenger. Allowed: challenger, champion "
                "(did you mean challenger?). Train one with `dvc repro`, or pass a model folder such as "
                "models/withdrawal/ngram."
            ),
        ),
    ],
)
def test_a_misspelt_model_is_refused(model, error, message):
    assert refusal(LEAVE, model=model, error=error) == message


def test_an_estimator_is_no_name_of_a_model():
    assert refusal(LEAVE, model=load(NGRAM)) == f"model is of type Ngram. {NAMES}"


@pytest.mark.parametrize("name", ["x" * 5000, "y/" * 5000])
def test_a_name_longer_than_any_file_is_refused(name):
    refusal(LEAVE, model=name, error=(ModelError, RegistryError))


def test_a_folder_without_a_model_is_refused(project):
    message = (
        f"{project.root / 'configs'} is no model: it holds no model.json. Pass a folder such as "
        "models/withdrawal/ngram, a models:/ address, or train with `dvc repro`."
    )
    assert refusal(LEAVE, model="configs", error=ModelError) == message


@pytest.mark.parametrize("name", ["encoder.onnx", "arrays.safetensors", "tokenizer.json"])
def test_a_truncated_file_of_a_model_is_refused(tiny, name):
    path = tiny / name
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:100])
    assert refusal(LEAVE, model=tiny, error=ModelError) == (
        f"The model file {path} has 100 bytes instead of {whole:,}. The copy was cut short: fit the model again, or "
        "copy the folder afresh."
    )


def test_a_missing_file_of_a_model_is_refused(tiny):
    (tiny / "encoder.onnx").unlink()
    assert refusal(LEAVE, model=tiny, error=ModelError) == (
        f"The model file {tiny / 'encoder.onnx'} is missing. The copy was cut short: fit the model again, or copy the "
        "folder afresh."
    )


@pytest.mark.parametrize("name", ["encoder.onnx", "arrays.safetensors", "tokenizer.json"])
def test_a_damaged_file_of_a_model_is_refused(tiny, name):
    path = tiny / name
    path.write_bytes(b"x" * path.stat().st_size)
    message = refusal(LEAVE, model=tiny, error=ModelError)
    wrong = f"{path} cannot be read: " if name == "arrays.safetensors" else f"The model {tiny} cannot be opened: "
    assert message.startswith(wrong)
    assert ". Fit the model again" in message
    assert "\n" not in message


@pytest.mark.parametrize("key", ["files", "params", "classes", "state", "about"])
def test_a_head_that_lacks_a_part_is_refused(tiny, key):
    head = json.loads((tiny / "model.json").read_text())
    del head[key]
    (tiny / "model.json").write_text(json.dumps(head))
    message = f"{tiny / 'model.json'} lacks {key}. Fit the model again."
    assert refusal(LEAVE, model=tiny, error=ModelError) == message


def test_a_head_whose_parts_are_wrong_is_refused(tiny):
    head = json.loads((tiny / "model.json").read_text())
    (tiny / "model.json").write_text(json.dumps({**head, "params": {"bogus": 1}}))
    message = refusal(LEAVE, model=tiny, error=ModelError)
    assert message.startswith(f"The model {tiny} cannot be opened: TypeError: ")
    assert message.endswith(". Fit the model again, or copy the folder afresh.")


def test_a_model_of_a_newer_format_is_refused(tiny):
    head = json.loads((tiny / "model.json").read_text())
    (tiny / "model.json").write_text(json.dumps({**head, "format": 2}))
    assert refusal(LEAVE, model=tiny, error=ModelError) == (
        f"{tiny} is of another format. Got: 2. Allowed: format 1. Upgrade stancemap, or fit the model again."
    )


def test_a_model_of_an_unknown_kind_is_refused(tiny):
    head = json.loads((tiny / "model.json").read_text())
    (tiny / "model.json").write_text(json.dumps({**head, "kind": "oracle"}))
    assert refusal(LEAVE, model=tiny, error=ModelError) == (
        f"{tiny} is of an unknown kind. Got: 'oracle'. Upgrade stancemap, or fit the model again."
    )


def test_a_model_that_says_nothing_of_its_dataset_loads_but_does_not_predict(tmp_path):
    load(NGRAM).save(tmp_path / "bare", {"model": "mine"})
    assert load(tmp_path / "bare").predict({"text": [LEAVE], "target": [GENERIC]}).shape == (1,)
    assert refusal(LEAVE, model=tmp_path / "bare", error=ModelError) == (
        "The model says nothing of its dataset, target, target_words. Fit it with `stancemap fit`, or call its "
        "predict_proba."
    )


def test_a_model_without_family_words_takes_any_target(project, tmp_path):
    load(NGRAM).save(tmp_path / "open", {"model": "m", "dataset": "d", "target": "higher taxes", "target_words": []})
    assert predict(LEAVE, model=tmp_path / "open").target == "higher taxes"
    assert predict(LEAVE, "abortion", model=tmp_path / "open").target == "abortion"


def test_words_of_a_family_may_be_written_in_capitals(tmp_path):
    about = {"model": "m", "dataset": "d", "target": "leaving NATO", "target_words": ["NATO"]}
    load(NGRAM).save(tmp_path / "nato", about)
    assert predict(LEAVE, "joining NATO", model=tmp_path / "nato").target == "joining NATO"


def test_load_gives_the_estimator_once():
    assert load(NGRAM) is load(NGRAM)


def test_a_model_that_was_fitted_again_is_opened_again(project, tmp_path):
    shutil.copytree(project.root / NGRAM, tmp_path / "model")
    first = predict(LEAVE, model=tmp_path / "model")
    shutil.rmtree(tmp_path / "model")
    load("models/withdrawal/majority").save(
        tmp_path / "model", {"model": "majority", "dataset": "withdrawal", "target": GENERIC, "target_words": []}
    )
    assert predict(LEAVE, model=tmp_path / "model") == expected([LEAVE], [GENERIC], "models/withdrawal/majority")[0]
    assert predict(LEAVE, model=tmp_path / "model") != first


def test_progress_counts_every_text():
    seen = []

    @contextlib.contextmanager
    def record(description, total, unit):
        seen.append((description, total, unit))
        yield seen.append

    def shown():
        show_with(record)
        predict([LEAVE] * 100, model=NGRAM)

    contextvars.copy_context().run(shown)
    assert seen == [("predicting", 100, "texts"), 64, 36]
