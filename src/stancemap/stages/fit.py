"""`fit`: one model on the training split of one dataset, saved as a folder without pickle."""

from __future__ import annotations

from typing import Any

from stancemap.config import Dataset, Model, Pipeline
from stancemap.kinds import build
from stancemap.models.base import StanceModel
from stancemap.prepared import columns_of, load_prepared
from stancemap.progress import task
from stancemap.project import Project
from stancemap.schema import read
from stancemap.threads import pinned
from stancemap.training import lessons


def fit(project: Project, dataset_name: str, model_name: str) -> StanceModel:
    """Fit `configs/models/MODEL.yaml` on `data/prepared/DATASET` and write `models/DATASET/MODEL/`.

    Raises
    ------
    ConfigError
        When a config is wrong or missing.
    DataError
        When the dataset is not prepared, or lacks a label.
    EncoderError
        When an encoder's weights cannot be had or trusted.
    """
    pipeline = read(project.pipeline_file, Pipeline)
    dataset = read(project.dataset_file(dataset_name), Dataset)
    config = read(project.model_file(model_name), Model)
    model = build(config.kind, config.params, str(project.model_file(model_name)))
    if "seed" in model.get_params() and "seed" not in config.params:
        model.set_params(seed=pipeline.seed)
    rows = lessons(columns_of(load_prepared(project, dataset_name)["train"]), config, pipeline.seed)
    with pinned(pipeline.threads), task(f"fitting {model_name} on {dataset_name}"):
        model.fit(rows, rows["label"], classes=dataset.classes)
    model.save(project.model(dataset_name, model_name), about(model_name, dataset_name, dataset))
    return model


def about(model_name: str, dataset_name: str, dataset: Dataset) -> dict[str, Any]:
    """What `predict` must know beside the model."""
    return {
        "model": model_name,
        "dataset": dataset_name,
        "labels": dict(dataset.labels),
        "target": dataset.target.generic,
        "target_words": list(dataset.target.words),
    }
