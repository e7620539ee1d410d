"""A wrong config is refused with its file, its key, what came and what is allowed; a right one becomes an object."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from stancemap.config import CANONICAL, Dataset, Encoder, Model, Pipeline
from stancemap.errors import ConfigError, nearest
from stancemap.kinds import build, kind_class, kinds
from stancemap.schema import parse, read

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = {"seed": 7, "threads": 1, "datasets": ["withdrawal"], "models": ["ngram"], "metric": "macro_f1"}
DATASET = {
    "title": "Stance on leaving",
    "reader": "jsonl",
    "files": ["*.jsonl"],
    "labels": {"pro": "favor", "anti": "against", "none": "neutral"},
    "target": {"generic": "leaving the base"},
    "licence": "MIT",
}
ENCODER = {"hub": "somebody/something"}
WHEEL = {"package": "carrier", "version": "1.0", "sha256": "0" * 64}
PIPELINE_KEYS = "bootstrap, datasets, duplicates, metric, models, seed, split, threads"
NAME = "String should match pattern '^[a-z0-9][a-z0-9._-]*$'"


def refusal(call, *given):
    with pytest.raises(ConfigError) as error:
        call(*given)
    return str(error.value)


def refused(schema, content):
    return refusal(parse, content, schema, "some.yaml")


def test_a_right_config_becomes_an_object_with_its_defaults():
    assert parse(PIPELINE, Pipeline, "some.yaml").model_dump() == {
        "seed": 7,
        "threads": 1,
        "datasets": ("withdrawal",),
        "models": ("ngram",),
        "metric": "macro_f1",
        "split": {"validation": 0.15, "test": 0.15},
        "duplicates": {"ngram": 5, "cosine": 0.8},
        "bootstrap": {"resamples": 2000, "level": 0.95},
    }


def test_a_config_never_changes_once_it_is_read():
    pipeline = parse(PIPELINE, Pipeline, "some.yaml")

    with pytest.raises(ValidationError, match="Instance is frozen"):
        pipeline.seed = 8

    assert pipeline.seed == 7


@pytest.mark.parametrize(
    ("schema", "content", "message"),
    [
        (
            Pipeline,
            {**PIPELINE, "modles": ["ngram"]},
            f"some.yaml: Unknown key modles. Allowed: {PIPELINE_KEYS} (did you mean models?).",
        ),
        (Pipeline, {**PIPELINE, "colour": "red"}, f"some.yaml: Unknown key colour. Allowed: {PIPELINE_KEYS}."),
        (
            Pipeline,
            {**PIPELINE, "split": {"validaton": 0.2}},
            "some.yaml: Unknown key split.validaton. Allowed: test, validation (did you mean validation?).",
        ),
        (
            Dataset,
            {**DATASET, "target": {"generic": "leaving", "word": ["leav"]}},
            "some.yaml: Unknown key target.word. Allowed: generic, words (did you mean words?).",
        ),
        (
            Encoder,
            {**ENCODER, "carrier": {"wheels": [WHEEL], "zip_part": "weights.zip.00"}},
            "some.yaml: Unknown key carrier.zip_part. Allowed: wheels, zip_parts (did you mean zip_parts?).",
        ),
        (
            Encoder,
            {**ENCODER, "carrier": {"wheels": [{**WHEEL, "packages": "carrier"}]}},
            (
                "some.yaml: Unknown key carrier.wheels.0.packages. Allowed: package, sha256, version "
                "(did you mean package?)."
            ),
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_one(schema, content, message):
    assert refused(schema, content) == message


def test_every_fault_of_a_config_gets_a_line_of_its_own():
    keys = "audit, columns, files, labels, licence, reader, source, target, title, weights"
    assert refused(Dataset, {**DATASET, "readr": "jsonl", "tilte": "Stance"}) == (
        f"some.yaml: Unknown key readr. Allowed: {keys} (did you mean reader?).\n"
        f"some.yaml: Unknown key tilte. Allowed: {keys} (did you mean title?)."
    )


@pytest.mark.parametrize(
    ("schema", "content", "key"),
    [
        (Pipeline, {key: value for key, value in PIPELINE.items() if key != "seed"}, "seed"),
        (Dataset, {**DATASET, "target": {}}, "target.generic"),
        (Model, {"c": 3}, "kind"),
    ],
)
def test_a_missing_key_is_named(schema, content, key):
    assert refused(schema, content) == f"some.yaml: The key {key} is missing. Add it."


@pytest.mark.parametrize(
    ("schema", "change", "message"),
    [
        (Pipeline, {"seed": "seven"}, "seed: Input should be a valid integer, unable to parse string as an integer."),
        (Pipeline, {"seed": 1.5}, "seed: Input should be a valid integer, got a number with a fractional part."),
        (Pipeline, {"datasets": "withdrawal"}, "datasets: Input should be a valid tuple."),
        (Pipeline, {"split": 3}, "split: Input should be a valid dictionary or instance of Split."),
        (Dataset, {"labels": ["pro", "anti"]}, "labels: Input should be a valid dictionary."),
        (Dataset, {"title": None}, "title: Input should be a valid string."),
    ],
)
def test_a_value_of_a_wrong_type_is_refused(schema, change, message):
    (value,) = change.values()
    base = {Pipeline: PIPELINE, Dataset: DATASET}[schema]
    got = f" Got: {value!r}." if value is not None else ""
    assert refused(schema, {**base, **change}) == f"some.yaml: {message}{got}"


@pytest.mark.parametrize(
    ("schema", "change", "message"),
    [
        (Pipeline, {"seed": -1}, "seed: Input should be greater than or equal to 0. Got: -1."),
        (Pipeline, {"seed": 2**31}, "seed: Input should be less than 2147483648. Got: 2147483648."),
        (Pipeline, {"threads": 0}, "threads: Input should be greater than or equal to 1. Got: 0."),
        (Pipeline, {"split": {"test": 1.5}}, "split.test: Input should be less than 1. Got: 1.5."),
        (Pipeline, {"split": {"test": 0}}, "split.test: Input should be greater than 0. Got: 0."),
        (
            Pipeline,
            {"bootstrap": {"resamples": 10}},
            "bootstrap.resamples: Input should be greater than or equal to 100. Got: 10.",
        ),
        (Pipeline, {"bootstrap": {"level": 0.4}}, "bootstrap.level: Input should be greater than 0.5. Got: 0.4."),
        (
            Pipeline,
            {"bootstrap": {"level": float("nan")}},
            "bootstrap.level: Input should be a finite number. Got: nan.",
        ),
        (
            Pipeline,
            {"duplicates": {"cosine": 1.1}},
            "duplicates.cosine: Input should be less than or equal to 1. Got: 1.1.",
        ),
        (Encoder, {"max_length": 3}, "max_length: Input should be greater than or equal to 8. Got: 3."),
        (Encoder, {"pooling": "max"}, "pooling: Input should be 'mean' or 'cls'. Got: 'max'."),
        (Encoder, {"sha256": "abc"}, "sha256: String should match pattern '^[0-9a-f]{64}$'. Got: 'abc'."),
        (Encoder, {"hub": "a b"}, r"hub: String should match pattern '^[\w.-]+(/[\w.-]+)?$'. Got: 'a b'."),
        (Dataset, {"reader": "../jsonl"}, f"reader: {NAME}. Got: '../jsonl'."),
    ],
)
def test_a_value_out_of_range_is_refused(schema, change, message):
    base = {Pipeline: PIPELINE, Dataset: DATASET, Encoder: ENCODER}[schema]
    assert refused(schema, {**base, **change}) == f"some.yaml: {message}"


def test_an_empty_list_of_datasets_is_refused():
    message = "some.yaml: datasets: Tuple should have at least 1 item after validation, not 0. Got: []."
    assert refused(Pipeline, {**PIPELINE, "datasets": []}) == message


def test_a_wrong_item_of_a_list_is_one_fault_and_not_two():
    assert refused(Pipeline, {**PIPELINE, "datasets": ["../else"]}) == f"some.yaml: datasets.0: {NAME}. Got: '../else'."


def test_shares_that_leave_nothing_to_train_on_are_refused():
    assert refused(Pipeline, {**PIPELINE, "split": {"validation": 0.5, "test": 0.5}}) == (
        "some.yaml: split: validation and test may take 0.9 of the rows at the most; the rest is for training. "
        "Got: {'validation': 0.5, 'test': 0.5}."
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            {"pro": "favor", "anti": "against"},
            "the label map is not onto: no label means neutral. Got: {'pro': 'favor', 'anti': 'against'}.",
        ),
        ({}, "the label map is not onto: no label means favor or against or neutral. Got: {}."),
        (
            {"a": "favor", "b": "against", "c": "neutral", "d": "neutral"},
            (
                "the label map is not one to one: two labels mean the same. "
                "Got: {'a': 'favor', 'b': 'against', 'c': 'neutral', 'd': 'neutral'}."
            ),
        ),
    ],
)
def test_a_label_map_must_be_onto_and_one_to_one(labels, message):
    assert refused(Dataset, {**DATASET, "labels": labels}) == f"some.yaml: labels: {message}"


def test_a_label_must_mean_one_of_the_canonical_three():
    labels = {"pro": "favour", "anti": "against", "none": "neutral"}
    message = "some.yaml: labels.pro: Input should be 'favor', 'against' or 'neutral'. Got: 'favour'."
    assert refused(Dataset, {**DATASET, "labels": labels}) == message


def test_classes_come_in_the_order_of_the_canonical_labels():
    labels = {"zero": "neutral", "anti": "against", "pro": "favor"}

    assert parse({**DATASET, "labels": labels}, Dataset, "some.yaml").classes == ("pro", "anti", "zero")
    assert CANONICAL == ("favor", "against", "neutral")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("../*.jsonl", "files: a pattern leads out of the dataset's folder. Got: ['../*.jsonl']."),
        ("/data/*.jsonl", r"files.0: String should match pattern '^[^/\\]'. Got: '/data/*.jsonl'."),
        ("", r"files.0: String should match pattern '^[^/\\]'. Got: ''."),
    ],
)
def test_files_outside_of_the_datasets_folder_are_refused(pattern, message):
    assert refused(Dataset, {**DATASET, "files": [pattern]}) == f"some.yaml: {message}"


def test_a_model_keeps_every_key_but_its_kind_as_a_parameter():
    model = parse({"kind": "ngram", "c": 2, "seed": 1}, Model, "some.yaml")
    assert (model.kind, model.params) == ("ngram", {"c": 2, "seed": 1})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with configs/ngram.yaml and configs/majority.yaml."""
    monkeypatch.chdir(tmp_path)
    configs = Path("configs")
    configs.mkdir()
    (configs / "ngram.yaml").write_text("kind: ngram\nc: 2.0\n")
    (configs / "majority.yaml").write_text("kind: majority\n")
    return configs


def test_a_yaml_file_is_read_into_its_schema(folder):
    assert read(folder / "ngram.yaml", Model) == Model(kind="ngram", c=2.0)


def test_a_misspelt_model_name_is_answered_with_the_nearest_right_one(folder):
    message = "There is no config configs/ngrm.yaml. Got: 'ngrm'. Allowed: majority, ngram (did you mean ngram?)."
    assert refusal(read, folder / "ngrm.yaml", Model) == message


def test_a_missing_file_in_an_empty_folder_says_that_there_is_none_yet(folder):
    (folder / "models").mkdir()
    message = "There is no config configs/models/ngram.yaml. Got: 'ngram'. Allowed: none there yet."
    assert refusal(read, folder / "models" / "ngram.yaml", Model) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"kind: [1",
            (
                'configs/some.yaml is no YAML: while parsing a flow sequence in "<unicode string>", line 1, column 7: '
                "kind: [1 ^ expected ',' or ']', but got '<stream end>' in \"<unicode string>\", line 1, column 9: "
                "kind: [1 ^. Mend the file."
            ),
        ),
        (
            b"kind: \xff",
            (
                "configs/some.yaml is no YAML: 'utf-8' codec can't decode byte 0xff in position 6: invalid start byte. "
                "Mend the file."
            ),
        ),
        (
            b"kind: a\x00",
            (
                "configs/some.yaml is no YAML: unacceptable character #x0000: special characters are not allowed in "
                '"<unicode string>", position 7. Mend the file.'
            ),
        ),
        (b"- kind\n", "configs/some.yaml is no mapping of keys to values. Got: ['kind']. Mend the file."),
        (b"ngram", "configs/some.yaml is no mapping of keys to values. Got: 'ngram'. Mend the file."),
        (b"", "configs/some.yaml is no mapping of keys to values. Mend the file."),
    ],
)
def test_a_file_that_is_no_yaml_mapping_is_refused(folder, content, message):
    (folder / "some.yaml").write_bytes(content)
    assert refusal(read, folder / "some.yaml", Model) == message


def test_a_folder_in_place_of_a_config_is_refused(folder):
    (folder / "some.yaml").mkdir()
    assert refusal(read, folder / "some.yaml", Model) == "configs/some.yaml cannot be read: Is a directory."


def test_nothing_in_a_config_is_ever_run(folder):
    (folder / "some.yaml").write_text("kind: !!python/object/apply:pathlib.Path.touch [made]\n")

    message = refusal(read, folder / "some.yaml", Model)

    assert message.startswith("configs/some.yaml is no YAML: could not determine a constructor for the tag")
    assert not Path("made").exists()


def test_every_config_that_the_repository_ships_is_right():
    pipeline = read(ROOT / "configs" / "pipeline.yaml", Pipeline)
    for name in pipeline.datasets:
        read(ROOT / "configs" / "datasets" / f"{name}.yaml", Dataset)
    for path in (ROOT / "configs" / "encoders").glob("*.yaml"):
        read(path, Encoder)
    models = [read(ROOT / "configs" / "models" / f"{name}.yaml", Model) for name in pipeline.models]
    built = [type(build(model.kind, model.params, "some.yaml")).__name__.lower() for model in models]
    assert built == [model.kind for model in models]


def test_the_kinds_are_the_files_of_the_folder_models():
    assert kinds() == ["embedding", "majority", "ngram"]


def test_each_kind_is_a_class_of_the_file_of_its_name():
    assert [kind_class(kind).__module__ for kind in kinds()] == [f"stancemap.models.{kind}" for kind in kinds()]


@pytest.mark.parametrize(
    ("kind", "hint"), [("ngrm", " (did you mean ngram?)"), ("Ngram", " (did you mean ngram?)"), ("base", "")]
)
def test_a_misspelt_kind_is_answered_with_the_nearest_right_one(kind, hint):
    message = f"There is no such kind of model. Got: {kind!r}. Allowed: embedding, majority, ngram{hint}."
    assert refusal(build, kind, {}, "some.yaml") == message


def test_a_model_is_built_with_its_parameters():
    model = build("ngram", {"c": 5, "min_rows": 2}, "some.yaml")
    assert repr(model) == "Ngram(c=5.0, min_rows=2, target_rows=100, seed=0)"


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        (
            "ngram",
            {"min_row": 3},
            "Unknown key min_row. Allowed: c, min_rows, seed, target_rows (did you mean min_rows?).",
        ),
        ("ngram", {"C": 3}, "Unknown key C. Allowed: c, min_rows, seed, target_rows (did you mean c?)."),
        ("embedding", {}, "The key encoder is missing. Add it."),
        ("embedding", {"encoder": 3}, "encoder: Input should be a valid string. Got: 3."),
        (
            "embedding",
            {"encoder": "tiny", "precision": "int4"},
            "precision: Input should be 'fp32' or 'int8'. Got: 'int4'.",
        ),
        (
            "ngram",
            {"c": "much"},
            "c: Input should be a valid number, unable to parse string as a number. Got: 'much'.",
        ),
        ("ngram", {"c": 0}, "c: Input should be greater than 0. Got: 0."),
        ("ngram", {"c": float("inf")}, "c: Input should be a finite number. Got: inf."),
        ("ngram", {"min_rows": 0}, "min_rows: Input should be greater than or equal to 1. Got: 0."),
        ("majority", {"prior": 0}, "prior: Input should be greater than 0. Got: 0."),
    ],
)
def test_a_parameter_that_its_kind_cannot_take_is_refused(kind, params, message):
    assert refusal(build, kind, params, "some.yaml") == f"some.yaml: {message}"


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("ngrm", "majority, ngram (did you mean ngram?)"),
        ("NGRAM", "majority, ngram (did you mean ngram?)"),
        ("something", "majority, ngram"),
    ],
)
def test_the_likeliest_name_is_offered_whatever_its_case(name, listed):
    assert nearest(name, ["ngram", "majority"]) == listed
