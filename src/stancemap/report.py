"""Tables and pictures of results: CSV for `dvc plots`, PNG for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stancemap.bundle import write_text
from stancemap.metrics import Scored

INK, ACCENT, PALE = "#333333", "#0b6e99", "#c9d6df"
MOST = 30  # slices in one picture


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of one shape, with a header."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else ["empty"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=120, metadata={"Software": None})  # no version in the file: same run, same bytes


def draw_confusion(path: Path, scored: Scored, classes: Sequence[str]) -> None:
    """Counts and row shares of actual against predicted labels."""
    n = len(classes)
    counts = np.bincount(scored.y * n + scored.predicted, minlength=n * n).reshape(n, n)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(5.6, 4.4)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(n), classes)
    axes.set_yticks(range(n), classes)
    axes.set(xlabel="predicted", ylabel="actual", title=f"Confusion on test, n = {counts.sum()}")
    for row in range(n):
        for column in range(n):
            ink = "white" if shares[row, column] > 0.5 else INK
            text = f"{counts[row, column]}\n{shares[row, column]:.0%}"
            axes.text(column, row, text, ha="center", va="center", color=ink)
    _save(figure, path)


def draw_reliability(path: Path, table: Sequence[dict[str, Any]]) -> None:
    """Accuracy against confidence in equal-mass bins; on the diagonal, probabilities keep their word."""
    figure, axes = _figure(4.6, 4.4)
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=2, label="perfect")
    axes.plot(
        [one["confidence"] for one in table], [one["accuracy"] for one in table], "o-", color=ACCENT, label="model"
    )
    total = sum(one["n"] for one in table)
    axes.set(
        xlabel="confidence", ylabel="accuracy", xlim=(0.3, 1), ylim=(0, 1), title=f"Reliability on test, n = {total}"
    )
    axes.legend(frameon=False)
    _save(figure, path)


def draw_slices(path: Path, table: Sequence[dict[str, Any]]) -> None:
    """Macro-F1 of the largest slices, worst at the top."""
    largest = sorted(sorted(table, key=lambda one: -one["n"])[:MOST], key=lambda one: -one["macro_f1"])
    figure, axes = _figure(7.2, 1.2 + 0.24 * max(len(largest), 1))
    names = [f"{one['slice']}: {one['value']} (n {one['n']})".replace("$", r"\$") for one in largest]
    values = [one["macro_f1"] for one in largest]
    # A bootstrap interval need not hold the value itself; a bar of error below nothing cannot be drawn.
    bounds = [
        [max(one["macro_f1"] - one["low"], 0) for one in largest],
        [max(one["high"] - one["macro_f1"], 0) for one in largest],
    ]
    axes.barh(names, values, xerr=bounds, color=ACCENT, ecolor=INK, height=0.7, error_kw={"linewidth": 0.8})
    axes.set(xlim=(0, 1), xlabel="macro-F1", title=f"Slices of test, the {len(largest)} largest")
    axes.tick_params(axis="y", labelsize=8)
    _save(figure, path)


def leaderboard(metrics: dict[str, dict[str, Any]], split: str = "test") -> list[list[str]]:
    """Rows of model, n, and each score with its interval, best macro-F1 first; the first row is the header."""
    ordered = sorted(metrics.items(), key=lambda one: -one[1][split]["macro_f1"]["value"])
    return score_rows({name: found[split] for name, found in ordered}, "model")


def score_rows(named: Mapping[str, Mapping[str, Any]], first: str) -> list[list[str]]:
    """Rows of a name, n, and each score with its interval; `first` heads the names."""
    shown = {"macro_f1": "macro-F1", "f_avg": "F_avg", "mcc": "MCC", "log_loss": "log-loss", "ece": "ECE"}
    body = [[name, str(found["n"]), *(cell(found[key]) for key in shown)] for name, found in named.items()]
    return [[first, "n", *shown.values()], *body]


def label_rows(per_class: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Rows of label, precision, recall, F1 and n; the first row is the header."""
    scores = ("precision", "recall", "f1")
    body = [
        [
            label,
            *(f"{one[key]:.3f}" for key in scores[:2]),
            cell({"value": one["f1"], "low": one["f1_low"], "high": one["f1_high"]}),
            f"{one['n']:.0f}",
        ]
        for label, one in per_class.items()
    ]
    return [["label", *scores, "n"], *body]


def cell(one: dict[str, float]) -> str:
    """A value with its interval.

    Examples
    --------
    >>> cell({"value": 0.5, "low": 0.45, "high": 0.551})
    '0.500 [0.450–0.551]'
    """
    return f"{one['value']:.3f} [{one['low']:.3f}–{one['high']:.3f}]"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is its header."""
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])
