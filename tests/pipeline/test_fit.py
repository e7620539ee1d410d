"""`fit`: the same model twice, and a wrong word in a config becomes a sentence."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from stancemap.errors import ConfigError, DataError, EncoderError
from stancemap.stages.fit import fit

MODELS = ("majority", "ngram", "embedding-tiny")


def refusal(project, model, error=ConfigError):
    with pytest.raises(error) as caught:
        fit(project, "withdrawal", model)
    return str(caught.value)


def configure(project, model, text):
    project.model_file(model).write_text(text)


@pytest.mark.parametrize("model", MODELS)
def test_two_fits_give_the_same_bytes(prepared, finished_root, snapshot, model):
    fit(prepared, "withdrawal", model)
    assert snapshot(prepared.model("withdrawal", model)) == snapshot(finished_root / "models" / "withdrawal" / model)


@pytest.mark.parametrize("model", MODELS)
def test_a_second_fit_over_the_first_gives_the_same_bytes(fitted, snapshot, model):
    before = snapshot(fitted.root / "models")
    fit(fitted, "withdrawal", model)
    assert snapshot(fitted.root / "models") == before


def test_a_model_folder_holds_no_pickle(finished):
    held = {
        path.parent.name: sorted(file.name for file in path.parent.iterdir())
        for path in (finished.root / "models").rglob("model.json")
    }
    assert held == {
        "majority": ["arrays.safetensors", "model.json"],
        "ngram": ["arrays.safetensors", "model.json"],
        "embedding-tiny": ["arrays.safetensors", "encoder.onnx", "model.json", "tokenizer.json"],
    }


def test_the_folder_tells_predict_labels_and_targets(finished):
    head = json.loads((finished.model("withdrawal", "ngram") / "model.json").read_text(encoding="utf-8"))
    assert head["classes"] == ["pro-withdrawal", "anti-withdrawal", "neutral"]
    assert {key: head["about"][key] for key in ("model", "dataset", "target")} == {
        "model": "ngram",
        "dataset": "withdrawal",
        "target": "withdrawal of foreign troops",
    }


def test_fitting_looks_at_the_training_split_only(prepared, finished_root, snapshot):
    folder = prepared.prepared("withdrawal")
    shutil.copy(folder / "validation.parquet", folder / "test.parquet")
    fit(prepared, "withdrawal", "ngram")
    assert snapshot(prepared.model("withdrawal", "ngram")) == snapshot(finished_root / "models/withdrawal/ngram")


def test_the_seed_of_the_pipeline_is_the_seed_of_the_model(prepared):
    assert fit(prepared, "withdrawal", "ngram").get_params()["seed"] == 7


def test_a_seed_in_the_models_own_config_comes_first(prepared):
    configure(prepared, "ngram", "kind: ngram\nseed: 3\n")
    assert fit(prepared, "withdrawal", "ngram").get_params()["seed"] == 3


def test_a_key_of_the_config_reaches_the_model(prepared):
    configure(prepared, "majority", "kind: majority\nprior: 2\n")
    assert fit(prepared, "withdrawal", "majority").get_params() == {"prior": 2.0}


def test_a_misspelt_model_is_refused_with_the_nearest_one(prepared):
    assert refusal(prepared, "ngrm") == (
        f"There is no config {prepared.model_file('ngrm')}. Got: 'ngrm'. "
        "Allowed: embedding-tiny, majority, ngram (did you mean ngram?)."
    )


def test_an_unknown_key_is_refused_with_the_nearest_one(prepared):
    configure(prepared, "ngram", "kind: ngram\nmin_row: 2\n")
    assert refusal(prepared, "ngram") == (
        f"{prepared.model_file('ngram')}: Unknown key min_row. "
        "Allowed: c, min_rows, seed, target_rows (did you mean min_rows?)."
    )


def test_a_value_out_of_range_is_refused(prepared):
    configure(prepared, "ngram", "kind: ngram\nc: -1\n")
    assert refusal(prepared, "ngram") == f"{prepared.model_file('ngram')}: c: Input should be greater than 0. Got: -1."


def test_a_missing_key_is_refused(prepared):
    configure(prepared, "embedding-tiny", "kind: embedding\n")
    assert refusal(prepared, "embedding-tiny") == (
        f"{prepared.model_file('embedding-tiny')}: The key encoder is missing. Add it."
    )


def test_an_unknown_kind_is_refused_with_the_nearest_one(prepared):
    configure(prepared, "ngram", "kind: ngrams\n")
    assert refusal(prepared, "ngram") == (
        "There is no such kind of model. Got: 'ngrams'. Allowed: embedding, majority, ngram (did you mean ngram?)."
    )


def test_a_config_that_is_no_yaml_is_refused(prepared):
    configure(prepared, "ngram", "kind: [ngram\n")
    assert refusal(prepared, "ngram").startswith(f"{prepared.model_file('ngram')} is no YAML: while parsing a flow")


def test_a_dataset_that_is_not_prepared_is_refused(fresh):
    assert refusal(fresh, "ngram", DataError) == (
        "The dataset withdrawal is not prepared. Run `stancemap prepare withdrawal`."
    )


def test_a_misspelt_encoder_is_refused_with_the_nearest_one(prepared):
    configure(prepared, "embedding-tiny", "kind: embedding\nencoder: tinny\n")
    assert refusal(prepared, "embedding-tiny") == (
        f"There is no config {prepared.encoder_file('tinny')}. Got: 'tinny'. Allowed: tiny (did you mean tiny?)."
    )


def test_weights_with_another_sha256_are_refused_and_the_old_model_stays(fitted, snapshot):
    path = fitted.encoder_file("tiny")
    path.write_text(f"hub: nobody/tiny\nsha256: '{'0' * 64}'\n")
    before = snapshot(fitted.root)
    assert "sha256" in refusal(fitted, "embedding-tiny", EncoderError)
    assert snapshot(fitted.root) == before


@pytest.mark.parametrize("model", ["ngram", "embedding-tiny"])
def test_a_disk_that_fills_while_it_saves_leaves_the_old_model(fitted, snapshot, monkeypatch, model):
    import safetensors.numpy

    def fills(arrays, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", fills)
    before = snapshot(fitted.root)
    with pytest.raises(OSError, match="No space left on device"):
        fit(fitted, "withdrawal", model)
    assert snapshot(fitted.root) == before


def test_a_failing_first_fit_leaves_nothing(prepared, snapshot, monkeypatch):
    import safetensors.numpy

    def stops(arrays, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(safetensors.numpy, "save_file", stops)
    with pytest.raises(KeyboardInterrupt):
        fit(prepared, "withdrawal", "ngram")
    assert list((prepared.root / "models").rglob("*")) == [prepared.root / "models" / "withdrawal"]


def test_the_text_is_read_from_as_many_layers_as_asked_for(prepared):
    """The last layer's vector stands first, and is the one that a model of one layer has; the target has it only."""
    configure(prepared, "embedding-tiny", "kind: embedding\nencoder: tiny\nprecision: fp32\nlayers: 2\n")
    deep = fit(prepared, "withdrawal", "embedding-tiny")
    configure(prepared, "embedding-tiny", "kind: embedding\nencoder: tiny\nprecision: fp32\n")
    flat = fit(prepared, "withdrawal", "embedding-tiny")
    texts = ["They should go.", "They stay."]
    both, last = deep.sentences_.encode(texts), flat.sentences_.encode(texts)
    assert (both.shape, last.shape) == ((2, 64), (2, 32))
    assert np.allclose(both[:, :32], last, atol=1e-6)
    assert np.allclose(np.linalg.norm(both.reshape(2, 2, 32), axis=2), 1, atol=1e-5)
    assert deep.head_.weights.shape == (3, 64 + 3 * 32)


def test_more_layers_than_the_encoder_has_are_refused(prepared):
    configure(prepared, "embedding-tiny", "kind: embedding\nencoder: tiny\nlayers: 3\n")
    assert refusal(prepared, "embedding-tiny", EncoderError) == (
        "The encoder tiny has 2 layers. Got: 3. Allowed: 1 to 2. Mend `layers` in the model's config."
    )


def test_int8_by_blocks_stays_near_the_exact_vectors(prepared):
    configure(prepared, "embedding-tiny", "kind: embedding\nencoder: tiny\nprecision: fp32\n")
    exact = fit(prepared, "withdrawal", "embedding-tiny").sentences_
    configure(prepared, "embedding-tiny", "kind: embedding\nencoder: tiny\nprecision: int8\n")
    rough = fit(prepared, "withdrawal", "embedding-tiny").sentences_
    texts = ["They should go.", "The minister said the troops would stay for another year.", "Home!"]
    cosines = (exact.encode(texts) * rough.encode(texts)).sum(axis=1)
    assert cosines.min() > 0.999
    assert not np.array_equal(exact.encode(texts), rough.encode(texts))


def test_a_model_learns_from_damaged_copies_when_its_config_says_so(prepared):
    plain = fit(prepared, "withdrawal", "ngram")
    text = prepared.model_file("ngram").read_text()
    configure(prepared, "ngram", text + "noise: 1.0\n")
    noisy = fit(prepared, "withdrawal", "ngram")
    assert not np.array_equal(plain.head_.weights, noisy.head_.weights)
    configure(prepared, "ngram", text + "noise: 2\n")
    assert refusal(prepared, "ngram") == (
        f"{prepared.model_file('ngram')}: noise: Input should be less than or equal to 1. Got: 2."
    )
