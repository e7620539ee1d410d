"""A small project that the tests share: a slice of the corpus, a tiny random encoder, every stage run once."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("majority", "ngram", "embedding-tiny")
PIPELINE = """\
seed: 7
threads: 1
datasets: [withdrawal]
models: [majority, ngram, embedding-tiny]
metric: macro_f1
bootstrap: {resamples: 100}
"""
TINY = "kind: embedding\nencoder: tiny\nprecision: int8\n"


@pytest.fixture(scope="session")
def corpus_rows():
    """Some 400 rows of the corpus, whole documents of three registers."""
    rows = []
    for register in ("plain-floor", "families", "noisy"):
        lines = (ROOT / "data" / "withdrawal" / f"{register}.jsonl").read_text(encoding="utf-8").splitlines()
        rows += [json.loads(line) for line in lines[:140]]
    return rows


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory, corpus_rows):
    """A folder ENCODERS/tiny with a random two-layer BERT of width 32 and a word-piece tokenizer; no download."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator((row["text"] for row in corpus_rows), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(7)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), **shape)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory, tiny_encoder):
    """The environment of every test that fits: a cache of its own, the tiny encoder, no registry of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STANCEMAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("STANCEMAP_ENCODERS", str(tiny_encoder.parent))
        patch.setenv("HF_HUB_OFFLINE", "1")
        for name in ("MLFLOW_TRACKING_URI", "STANCEMAP_MODEL", "DVC_ROOT"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def bare_project(tmp_path_factory, corpus_rows, tiny_encoder):
    """A project on which no stage has run yet; copy it before you write to it."""
    from stancemap.bundle import digest

    root = tmp_path_factory.mktemp("bare")
    for part in ("datasets", "models", "encoders"):
        (root / "configs" / part).mkdir(parents=True)
    (root / "configs" / "pipeline.yaml").write_text(PIPELINE)
    dataset = yaml.safe_load((ROOT / "configs" / "datasets" / "withdrawal.yaml").read_text("utf-8"))
    kept = {key: value for key, value in dataset.items() if key not in {"audit", "weights"}}  # of the whole corpus
    (root / "configs" / "datasets" / "withdrawal.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))
    for name in ("majority", "ngram"):
        shutil.copy(ROOT / "configs" / "models" / f"{name}.yaml", root / "configs" / "models")
    (root / "configs" / "models" / "embedding-tiny.yaml").write_text(
        "kind: embedding\nencoder: tiny\nprecision: int8\n"
    )
    weights = digest(tiny_encoder / "model.safetensors")
    (root / "configs" / "encoders" / "tiny.yaml").write_text(f"hub: nobody/tiny\nsha256: {weights}\nmax_length: 64\n")
    (root / "data" / "withdrawal").mkdir(parents=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in corpus_rows)
    (root / "data" / "withdrawal" / "some.jsonl").write_text(lines, encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def new_database(tmp_path_factory):
    """An empty database of MLflow; making one takes seconds, copying it nothing."""
    import mlflow

    from stancemap.quiet import quiet

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    with quiet():
        mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def finished_root(tmp_path_factory, bare_project, session_cache, new_database):
    """The root of a project on which every stage has run, as `dvc repro` would; read only."""
    from stancemap.project import Project
    from stancemap.stages.evaluate import evaluate
    from stancemap.stages.fit import fit
    from stancemap.stages.prepare import prepare
    from stancemap.stages.select import select
    from stancemap.stages.track import track

    root = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(bare_project, root)
    shutil.copy(new_database, root / "mlflow.db")
    project = Project(root)
    with contextlib.chdir(root):
        prepare(project, "withdrawal")
        for model in MODELS:
            fit(project, "withdrawal", model)
            evaluate(project, "withdrawal", model)
        select(project, "withdrawal")
        track(project, "withdrawal")
    return root


@pytest.fixture
def finished(finished_root, monkeypatch):
    """The finished project, as the current folder; read only."""
    from stancemap.project import Project

    monkeypatch.chdir(finished_root)
    return Project(finished_root)


@pytest.fixture
def fresh(bare_project, session_cache, tmp_path, monkeypatch):
    """A project of the test's own on which no stage has run, as the current folder."""
    from stancemap.project import Project

    root = tmp_path / "project"
    shutil.copytree(bare_project, root)
    monkeypatch.chdir(root)
    return Project(root)
