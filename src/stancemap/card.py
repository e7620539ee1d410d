"""The model card: one page on what a model is, what it learnt from, how good it is, and where it is weak.

Why: a number travels without its footnotes; a card keeps them together (Mitchell et al. 2019, "Model Cards for
Model Reporting"). `evaluate` writes it, `track` hands it to MLflow.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from stancemap.config import Dataset
from stancemap.kinds import kind_class
from stancemap.models.base import StanceModel
from stancemap.report import cell, label_rows, markdown, score_rows

WEAKEST = 8  # slices shown

TEMPLATE = """\
# {model} on {dataset}

{summary}

{params}

## Learnt from
{train} rows of the training split of `{dataset}` ({source}; licence {licence}). All its splits hold {rows} rows in
{documents} documents, split by document with near-duplicates kept together (groups in two splits: {leakage}).

## Scores
Intervals are 95 % bootstrap intervals over documents. The majority model's row stands in the leaderboard beside this
one's; a score without it says little.

{scores}

On test, by label:

{labels}

The weakest slices of test (of twenty rows at least):

{slices}

## Use
```python
from stancemap import predict

predict("The senator said the troops should come home.", model="models/{dataset}/{model}")
```
For sentences in English and targets of its family, such as *{target}*. Probabilities were calibrated on out-of-fold
predictions of the training split; on another kind of text they may be off, so measure on some hundred labelled
sentences of your own before you count with it: `stancemap evaluate {dataset} {model} --file YOURS.csv`.

## Not for
Judging people: a label is about one sentence, not about what somebody thinks. Sentences outside the family of targets,
other languages, or shares in the news at large: its training rows are no sample of anything.
"""


def render(
    head: Mapping[str, Any],
    dataset: Dataset,
    metrics: Mapping[str, Any],
    slices: Sequence[Mapping[str, Any]],
    audit: Mapping[str, Any],
) -> str:
    """The card of one model in Markdown.

    Parameters
    ----------
    head : mapping
        The content of the bundle's `model.json`.
    dataset : Dataset
        The config of its dataset.
    metrics : mapping
        The content of `metrics.json`.
    slices : sequence of mapping
        The slices of test: `slice`, `value`, `n`, `macro_f1`.
    audit : mapping
        The content of the dataset's `audit.json`.
    """
    about = head["about"]
    weakest = sorted(slices, key=lambda one: float(one["macro_f1"]))[:WEAKEST]
    worst = [
        [f"{one['slice']}: {one['value']}", str(one["n"]), cell({**one, "value": one["macro_f1"]})] for one in weakest
    ]
    params = [[name, f"`{value}`"] for name, value in sorted(head["params"].items())]
    return TEMPLATE.format(
        model=about["model"],
        dataset=about["dataset"],
        summary=_summary(kind_class(head["kind"])),
        params=markdown([["parameter", "value"], *params]),
        source=dataset.source,
        licence=dataset.licence,
        train=sum(audit["split"]["train"].values()),
        rows=audit["rows"],
        documents=audit["documents"],
        leakage=audit["leakage"],
        scores=markdown(score_rows(metrics, "split")),
        labels=markdown(label_rows(metrics["test"]["per_class"])),
        slices=markdown([["slice", "n", "macro-F1"], *worst]),
        target=about["target"],
    )


def _summary(kind: type[StanceModel]) -> str:
    """What a kind's docstring says before its parameters."""
    return (inspect.getdoc(kind) or "").partition("\nParameters\n")[0].strip()
