"""`select`: the best model of this run on validation, and how sure that is."""

from __future__ import annotations

from typing import Any

import numpy as np

from stancemap.bundle import read_json, write_json, write_text
from stancemap.config import Dataset, Pipeline
from stancemap.errors import DataError, explain
from stancemap.metrics import LOWER_IS_BETTER, METRICS, Scored, check_metric, interval, resamples
from stancemap.project import Project
from stancemap.report import leaderboard, markdown
from stancemap.schema import read


def select(project: Project, dataset: str) -> dict[str, Any]:
    """Compare the models of `pipeline.yaml` on validation and write `reports/DATASET/selection.json`.

    Only rows of the greatest weight count (`weights` in the dataset's config); without weights, all do.

    The paired bootstrap of documents (Berg-Kirkpatrick et al. 2012, "An Empirical Investigation of Statistical
    Significance in NLP") gives the probability that the winner beats each of the others.

    Raises
    ------
    ConfigError
        When the metric is unknown.
    DataError
        When a model was not evaluated, two were scored on different rows, or the judging rows lack a label.
    """
    pipeline = read(project.pipeline_file, Pipeline)
    read(project.dataset_file(dataset), Dataset)  # a misspelt name is told as such
    check_metric(pipeline.metric, project.pipeline_file)
    tables = {model: _predictions(project, dataset, model) for model in pipeline.models}
    tables = {model: _judging(table, dataset) for model, table in tables.items()}
    _refuse_other_rows(tables, dataset)
    scored = {model: _scored(table) for model, table in tables.items()}
    sign = -1 if pipeline.metric in LOWER_IS_BETTER else 1
    metric = METRICS[pipeline.metric]
    ranked = sorted(scored, key=lambda model: -sign * metric(scored[model]))
    first = scored[ranked[0]]
    drawn = resamples(first.documents, pipeline.bootstrap, pipeline.seed)
    best = np.array([metric(first.take(rows)) for rows in drawn])
    others = []
    for model in ranked[1:]:
        gaps = sign * (best - np.array([metric(scored[model].take(rows)) for rows in drawn]))
        low, high = interval(gaps.tolist(), pipeline.bootstrap.level)
        gap = sign * (metric(first) - metric(scored[model]))
        others.append(
            {
                "model": model,
                "behind": round(gap, 6),
                "low": low,
                "high": high,
                "sure": round(float((gaps > 0).mean()), 4),
            }
        )
    selection = {
        "metric": pipeline.metric,
        "split": "validation",
        "n": len(first.y),
        "champion": ranked[0],
        "challenger": ranked[1] if len(ranked) > 1 else None,
        "others": others,
    }
    _write(project, dataset, pipeline, selection)
    return selection


def read_metrics(project: Project, dataset: str, model: str) -> dict[str, Any]:
    """What `evaluate` measured of a model."""
    path = project.report(dataset, model) / "metrics.json"
    if not path.is_file():
        then = f"Run `stancemap evaluate {dataset} {model}`"
        raise DataError(explain(f"The model {model} was not evaluated on {dataset}", then=then))
    measured: dict[str, Any] = read_json(path)
    return measured


def _predictions(project: Project, dataset: str, model: str) -> Any:
    import pandas as pd

    read_metrics(project, dataset, model)
    table = pd.read_parquet(project.report(dataset, model) / "details" / "predictions-validation.parquet")
    if "weight" not in table:
        then = f"Run `stancemap evaluate {dataset} {model}` again, or `dvc repro`"
        raise DataError(explain(f"The report of {model} on {dataset} is of an older stancemap", then=then))
    return table


def _judging(table: Any, dataset: str) -> Any:
    """The rows of the greatest weight: the registers that count less are there to teach, not to judge."""
    judging = table[table["weight"] == table["weight"].max()]
    if judging["label"].nunique() < table["label"].nunique():
        wrong = f"The validation rows of {dataset} that have the greatest weight lack a label"
        raise DataError(explain(wrong, then="Mend `weights` in the dataset's config"))
    return judging


def _refuse_other_rows(tables: dict[str, Any], dataset: str) -> None:
    """A paired comparison needs the same rows in the same order; after a new `prepare` an old report has others."""
    first, *others = tables
    for model in others:
        if tables[model]["id"].tolist() != tables[first]["id"].tolist():
            wrong = f"The models {first} and {model} were scored on different rows of {dataset}"
            raise DataError(explain(wrong, then=f"Run `stancemap evaluate {dataset} {model}` again, or `dvc repro`"))


def _scored(table: Any) -> Scored:
    import pandas as pd

    columns = [name for name in table.columns if name.startswith("p(")]
    classes = {name[2:-1]: number for number, name in enumerate(columns)}
    documents = pd.factorize(table["document"])[0]
    y = table["label"].map(classes).to_numpy(np.int64)
    return Scored(y, table[columns].to_numpy(np.float64), documents.astype(np.int64))


def _write(project: Project, dataset: str, pipeline: Pipeline, selection: dict[str, Any]) -> None:
    folder = project.reports(dataset)
    metrics = {model: read_metrics(project, dataset, model) for model in pipeline.models}
    write_text(folder / "leaderboard.md", markdown(leaderboard(metrics)) + "\n")
    write_json(folder / "selection.json", selection)
