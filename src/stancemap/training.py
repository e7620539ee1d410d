"""What a model learns from: weighted rows, a label for each coder where coders differ, and damaged copies.

Why: two readers who differ are a fact about the sentence, and a model that is told only one of them learns to be too
sure (Uma et al. 2021, "Learning from Disagreement", section 4). Each becomes a row of its own, with its share of the
weight, so that every estimator that knows sample weights learns from soft labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from stancemap.config import Model
from stancemap.noise import damage
from stancemap.repair import repair

Columns = dict[str, list[Any]]
KEPT = ("text", "target", "document")


def lessons(columns: Columns, config: Model, seed: int) -> Columns:
    """The rows to learn from, with the columns `text`, `target`, `document`, `label` and `weight`.

    Parameters
    ----------
    columns : dict of list
        A prepared split.
    config : Model
        `noise` is the share of rows that stand there once more, damaged and repaired as `predict` would; `soft` says
        whether a row whose coders differ stands there once for each label that it was given.
    seed : int
        Of the damage.

    Examples
    --------
    >>> row = {"text": ["Go."], "target": ["t"], "document": ["d"], "label": ["pro"], "weight": [1.0]}
    >>> lessons(row | {"coders": [["pro", "anti"]]}, Model(kind="ngram"), 0)["weight"]
    [0.6666666666666666, 0.3333333333333333]
    """
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    rows += _damaged(rows, config.noise, seed)
    told = [
        {**{key: row[key] for key in KEPT}, "label": label, "weight": row["weight"] * share}
        for row in rows
        for label, share in (shares(row["label"], row["coders"]) if config.soft else {row["label"]: 1.0}).items()
    ]
    return {key: [row[key] for row in told] for key in (*KEPT, "label", "weight")}


def shares(label: str, coders: Sequence[str]) -> dict[str, float]:
    """The soft label of a row: a vote for each coder and one for the label that was settled on.

    Examples
    --------
    >>> shares("pro", ["pro", "neutral", "neutral"])
    {'pro': 0.5, 'neutral': 0.5}
    >>> shares("pro", [])
    {'pro': 1.0}
    """
    votes = Counter([label, *coders])
    return {one: count / votes.total() for one, count in votes.items()}


def _damaged(rows: list[dict[str, Any]], share: float, seed: int) -> list[dict[str, Any]]:
    """Damaged copies of a share of the rows; what `repair` makes whole again is left out."""
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(rows))[: round(share * len(rows))])
    copies = [{**rows[index], "text": repair(damage(rows[index]["text"], random).text).text} for index in chosen]
    return [copy for copy, index in zip(copies, chosen, strict=True) if copy["text"] != rows[index]["text"]]
