"""`track`: make MLflow match the files, register the models, move the aliases. Always runs, and is cheap."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from stancemap.bundle import digest, read_head, read_json
from stancemap.config import Dataset, Model, Pipeline
from stancemap.errors import DataError, explain
from stancemap.metrics import METRICS
from stancemap.project import Project
from stancemap.registry import PREFIX, tracking_uri
from stancemap.report import cell
from stancemap.schema import read
from stancemap.tracking import RunRecord, Tracker

_REFUSED = re.compile(r"[^\w./ -]")  # by MLflow, in the name of a metric


def track(project: Project, dataset: str) -> list[str]:
    """Write what is missing in MLflow: a run and a version for each model, `champion` and `challenger`.

    Returns
    -------
    list of str
        What was done, a sentence each.
    """
    from filelock import FileLock

    pipeline = read(project.pipeline_file, Pipeline)
    read(project.dataset_file(dataset), Dataset)  # a misspelt name is told as such
    path = project.reports(dataset) / "selection.json"
    if not path.is_file():
        raise DataError(explain(f"Nothing was selected on {dataset}", then=f"Run `stancemap select {dataset}`"))
    selection = read_json(path)
    records = [_record(project, dataset, model) for model in pipeline.models]
    artifacts = project.home / "mlartifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    with FileLock(artifacts / ".lock"):  # a fresh database cannot take several writers at once
        return _write(Tracker(tracking_uri(project), artifacts), project, dataset, records, selection)


def _write(
    tracker: Tracker, project: Project, dataset: str, records: list[RunRecord], selection: dict[str, Any]
) -> list[str]:
    done = []
    name = PREFIX + dataset
    experiment = tracker.experiment(name)
    versions = {}
    for record in records:
        run = tracker.find_run(experiment, record.fingerprint)
        if run is None or tracker.lost(run):
            run = tracker.write_run(experiment, record, project.prepared(dataset) / "train.parquet")
            done.append(f"tracked {record.name} as run {run}")
        versions[record.name] = tracker.register(name, run, record)
    if project.root.resolve() != project.home.resolve():
        return [*done, "an experiment in a workspace of its own: the aliases stay where they are"]
    done += _move_aliases(tracker, name, selection, versions)
    return done or ["MLflow matches the files already"]


def _move_aliases(tracker: Tracker, name: str, selection: dict[str, Any], versions: dict[str, str]) -> list[str]:
    done = []
    for alias in ("champion", "challenger"):
        model = selection[alias]
        if model is None:
            done += [f"{alias} of {name} is gone"] if tracker.unpoint(name, alias) else []
        elif tracker.point(name, alias, versions[model]):
            done.append(f"{alias} of {name} is now version {versions[model]} ({model})")
    return done


def _record(project: Project, dataset: str, model: str) -> RunRecord:
    bundle, report = project.model(dataset, model), project.report(dataset, model)
    head = read_head(bundle)
    metrics = read_json(report / "metrics.json")
    files = sorted(path for path in [*report.glob("*.*"), *(report / "details").glob("*.png")] if path.is_file())
    config = read(project.model_file(model), Model)
    return RunRecord(
        name=model,
        fingerprint=_fingerprint(bundle, report),
        params={"dataset": dataset, "model": model, "kind": config.kind, **head["params"]},
        classes=tuple(head["classes"]),
        metrics=_flat(metrics, report),
        tags=_tags(project, dataset, model, head),
        card=(report / "card.md").read_text(encoding="utf-8"),
        summary=f"{model}: macro-F1 {cell(metrics['test']['macro_f1'])} on test, n = {metrics['test']['n']}",
        files=tuple(path for path in files if not path.name.startswith(".")),
        bundle=bundle,
    )


def _fingerprint(bundle: Path, report: Path) -> str:
    joined = digest(bundle / "model.json") + digest(report / "metrics.json")
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def _flat(metrics: dict[str, Any], report: Path) -> dict[str, float]:
    """Metric names that stay: SPLIT.METRIC, its bounds, SPLIT.METRIC.LABEL, and test.slice.KIND.VALUE."""
    flat: dict[str, float] = {}
    for split, found in metrics.items():
        for name in METRICS:
            one = found[name]
            flat[f"{split}.{name}"] = one["value"]
            flat |= {f"{split}.{name}.{bound}": one[bound] for bound in ("low", "high")}
        for label, scores in found["per_class"].items():
            flat |= {f"{split}.{key}.{label}": scores[key] for key in ("precision", "recall", "f1")}
        flat[f"{split}.n"] = found["n"]
    return flat | _slice_metrics(report / "slices.csv")


def _slice_metrics(path: Path) -> dict[str, float]:
    import csv

    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {f"test.slice.{row['slice']}.{_REFUSED.sub('_', row['value'])}": float(row["macro_f1"]) for row in rows}


def _tags(project: Project, dataset: str, model: str, head: dict[str, Any]) -> dict[str, str]:
    return {
        "stancemap.dataset": dataset,
        "stancemap.target": head["about"]["target"],
        "git.commit": _commit(project.root),
        **_locked(project.root / "dvc.lock", dataset, model),
    }


def _locked(path: Path, dataset: str, model: str) -> dict[str, str]:
    """The hashes by which DVC knows the data and the model; none before its first run."""
    if not path.is_file():
        return {}
    stages = yaml.safe_load(path.read_text(encoding="utf-8")).get("stages", {})
    files = [
        *stages.get(f"prepare@{dataset}", {}).get("deps", []),
        *stages.get(f"fit@{dataset}-{model}", {}).get("outs", []),
    ]
    wanted = {f"data/{dataset}": "dvc.data", f"models/{dataset}/{model}": "dvc.model"}
    return {wanted[file["path"]]: file["md5"] for file in files if file["path"] in wanted}


def _commit(root: Path) -> str:
    found = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "none"
