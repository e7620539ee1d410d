"""`evaluate`: score one model on validation and test, with intervals, slices and pictures."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stancemap.bundle import read_head, read_json, replacing, write_json, write_text
from stancemap.calibration import reliability
from stancemap.card import render
from stancemap.config import Dataset, Pipeline
from stancemap.datasets.base import read_raw
from stancemap.errors import DataError, explain
from stancemap.examples import parse_rows
from stancemap.kinds import open_model
from stancemap.metrics import Scored, per_class, present_f1, score, with_interval
from stancemap.models.base import StanceModel
from stancemap.prepared import AUDIT, columns_of, load_prepared
from stancemap.progress import task
from stancemap.project import Project
from stancemap.repair import check_text, repair
from stancemap.report import draw_confusion, draw_reliability, draw_slices, write_csv
from stancemap.schema import read
from stancemap.threads import pinned

Columns = dict[str, list[Any]]
SLICES = ("register", "target", "genre", "tags")
SMALLEST = 20  # rows of a slice worth a score
DRAWS = 500  # resamples for the interval of a slice: there are many slices, and nobody chooses by them


def evaluate(project: Project, dataset_name: str, model_name: str) -> dict[str, Any]:
    """Write `reports/DATASET/models/MODEL/`: metrics.json, predictions, tables for plots, and PNGs.

    Returns
    -------
    dict
        The content of metrics.json, by split.
    """
    pipeline = read(project.pipeline_file, Pipeline)
    folder = project.model(dataset_name, model_name)
    model, _ = open_model(folder)
    prepared = load_prepared(project, dataset_name)
    metrics: dict[str, Any] = {}
    report = project.report(dataset_name, model_name)
    with replacing(report / "details") as details, pinned(pipeline.threads):
        for split in ("validation", "test"):
            columns = columns_of(prepared[split])
            with task(f"scoring {model_name} on {split}"):
                scored = scored_by(model, columns)
                metrics[split] = _metrics(scored, model, pipeline)
            _write_predictions(details / f"predictions-{split}.parquet", columns, scored, model)
        found = slices(columns, scored, pipeline)
        _write_plots(report, details, scored, found, [str(label) for label in model.classes_])
    dataset = read(project.dataset_file(dataset_name), Dataset)
    audit = read_json(project.prepared(dataset_name) / AUDIT)
    write_text(report / "card.md", render(read_head(folder), dataset, metrics, found, audit))
    write_json(report / "metrics.json", metrics)
    return metrics


def evaluate_file(project: Project, dataset_name: str, model_name: str, path: Path) -> dict[str, Any]:
    """Score a fitted model on another labelled file, read as the dataset's own files are; nothing is written."""
    pipeline = read(project.pipeline_file, Pipeline)
    dataset = read(project.dataset_file(dataset_name), Dataset)
    model, _ = open_model(project.model(dataset_name, model_name))
    if not path.is_file():
        raise DataError(explain(f"There is no file {path}", then="Mend the name"))
    rows = ((where, _known(raw, dataset)) for where, raw in read_raw(_only(dataset, path), path.parent))
    examples = parse_rows(rows, dataset, check_text)
    if not examples:
        raise DataError(explain(f"{path} holds no row", then="Pass a file with labelled rows"))
    columns: Columns = {key: [getattr(example, key) for example in examples] for key in ("target", "label", "document")}
    columns |= {"text": [repair(example.text).text for example in examples]}
    columns |= {key: [getattr(example, key) for example in examples] for key in ("genre", "tags")}
    with pinned(pipeline.threads):
        scored = scored_by(model, columns)
    return {**_metrics(scored, model, pipeline), "slices": slices(columns, scored, pipeline)}


def _only(dataset: Dataset, path: Path) -> Dataset:
    reader = "jsonl" if path.suffix.lower() == ".jsonl" else "table"
    return dataset.model_copy(update={"files": (glob.escape(path.name),), "reader": reader})


def _known(raw: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """A foreign file may have columns and tags of its own, and rows without a document: each is then one by itself."""
    columns = dataset.columns
    needed = (columns.text, columns.label)
    optional = (columns.id, columns.target, columns.document, columns.genre)
    return {key: value for key, value in raw.items() if key in needed or (key in optional and value)}


def scored_by(model: StanceModel, columns: Columns) -> Scored:
    """A model's probabilities beside the truth."""
    index = {str(label): number for number, label in enumerate(model.classes_)}
    documents = {document: number for number, document in enumerate(dict.fromkeys(columns["document"]))}
    return Scored(
        np.array([index[label] for label in columns["label"]], dtype=np.int64),
        model.predict_proba({"text": columns["text"], "target": columns["target"]}),
        np.array([documents[document] for document in columns["document"]], dtype=np.int64),
    )


def _metrics(scored: Scored, model: StanceModel, pipeline: Pipeline) -> dict[str, Any]:
    found = score(scored, pipeline.bootstrap, pipeline.seed)
    classes = [str(label) for label in model.classes_]
    return {**found, "per_class": per_class(scored, classes, pipeline.bootstrap, pipeline.seed)}


def slices(columns: Columns, scored: Scored, pipeline: Pipeline) -> list[dict[str, Any]]:
    """Macro-F1 with its interval, and n, of every register, target, genre and tag with enough rows."""
    table = []
    how = pipeline.bootstrap.model_copy(update={"resamples": min(pipeline.bootstrap.resamples, DRAWS)})
    for kind in [kind for kind in SLICES if kind in columns]:  # a single file has no registers
        values = columns[kind]
        for value in sorted({one for cell in values for one in _cell(cell)}):
            rows = np.array([row for row, cell in enumerate(values) if value in _cell(cell)], dtype=np.int64)
            if len(rows) >= SMALLEST:
                found = with_interval(scored.take(rows), present_f1, how, pipeline.seed)
                score = {"macro_f1": found["value"], "low": found["low"], "high": found["high"]}
                table.append({"slice": kind, "value": value, "n": len(rows), **score})
    return table


def _cell(cell: Any) -> Sequence[str]:
    return cell if isinstance(cell, list) else [] if cell is None else [str(cell)]


def _write_predictions(path: Path, columns: Columns, scored: Scored, model: StanceModel) -> None:
    import pandas as pd

    table = pd.DataFrame({key: columns[key] for key in ("id", "document", "target", "label", "weight")})
    for number, label in enumerate(model.classes_):
        table[f"p({label})"] = scored.probabilities[:, number]
    table.to_parquet(path, index=False)


def _write_plots(
    report: Path, details: Path, scored: Scored, found: list[dict[str, Any]], classes: Sequence[str]
) -> None:
    """Tables for `dvc plots`, and PNGs for people without it; all of the test split."""
    pairs = [
        {"actual": classes[true], "predicted": classes[said]}
        for true, said in zip(scored.y.tolist(), scored.predicted.tolist(), strict=True)
    ]
    table = reliability(scored.probabilities, scored.y)
    write_csv(report / "confusion.csv", pairs)
    write_csv(report / "reliability.csv", table)
    write_csv(report / "slices.csv", found)
    draw_confusion(details / "confusion.png", scored, classes)
    draw_reliability(details / "reliability.png", table)
    draw_slices(details / "slices.png", found)
