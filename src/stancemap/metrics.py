"""Scores, and the intervals without which no score is shown.

Why: every number comes with its n and a bootstrap interval that resamples documents, not rows, because rows of
one document are no independent witnesses. To add a metric, add a function of `Scored` to `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stancemap.calibration import expected_calibration_error
from stancemap.config import Bootstrap
from stancemap.errors import ConfigError, explain, nearest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """Predictions beside the truth.

    Attributes
    ----------
    y : ndarray of int, shape (n_rows,)
        True classes, as indices: 0 favor, 1 against, 2 neutral.
    probabilities : ndarray, shape (n_rows, 3)
        Predicted probabilities.
    documents : ndarray of int, shape (n_rows,)
        The document of each row, numbered.
    """

    y: Ints
    probabilities: Floats
    documents: Ints

    @property
    def predicted(self) -> Ints:
        """The likeliest class of each row."""
        likeliest: Ints = self.probabilities.argmax(axis=1).astype(np.int64)
        return likeliest

    def take(self, rows: Ints) -> Scored:
        """The same for some of the rows, in their order, repeats allowed."""
        return Scored(self.y[rows], self.probabilities[rows], self.documents[rows])


def f1_scores(y: Ints, predicted: Ints, classes: int = 3) -> Floats:
    """F1 of each class; 0 where a class is neither predicted nor there."""
    table = np.bincount(y * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    hits, said, there = table.diagonal(), table.sum(axis=0), table.sum(axis=1)
    scores: Floats = 2 * hits / np.maximum(said + there, 1)
    return scores


def macro_f1(scored: Scored) -> float:
    """Mean F1 of the three classes."""
    return float(f1_scores(scored.y, scored.predicted).mean())


def present_f1(scored: Scored) -> float:
    """Mean F1 of the classes that occur in the truth; in a slice, one may not."""
    there = np.bincount(scored.y, minlength=3) > 0
    return float(f1_scores(scored.y, scored.predicted)[there].mean())


def f_avg(scored: Scored) -> float:
    """Mean F1 of favor and against, the metric of SemEval-2016 Task 6 (Mohammad et al. 2016, section 4.1)."""
    return float(f1_scores(scored.y, scored.predicted)[:2].mean())


def mcc(scored: Scored) -> float:
    """Matthews correlation coefficient of all classes (Gorodkin 2004); 0 when one side is constant.

    Written out, because the bootstrap calls it thousands of times and scikit-learn's takes a millisecond each.
    """
    n = scored.probabilities.shape[1]
    table = np.bincount(scored.y * n + scored.predicted, minlength=n * n).reshape(n, n).astype(float)
    there, said, rows = table.sum(axis=1), table.sum(axis=0), table.sum()
    spread = (rows**2 - said @ said) * (rows**2 - there @ there)
    return float((np.trace(table) * rows - there @ said) / np.sqrt(spread)) if spread > 0 else 0.0


def accuracy(scored: Scored) -> float:
    """Share of rows whose likeliest class is the true one; never to stand alone."""
    return float((scored.y == scored.predicted).mean())


def log_loss(scored: Scored) -> float:
    """Mean negative log-probability of the true class, in nats."""
    true = scored.probabilities[np.arange(len(scored.y)), scored.y]
    return float(-np.log(np.clip(true, 1e-12, 1)).mean()) + 0.0  # never -0.0


def ece(scored: Scored) -> float:
    """Expected calibration error, in equal-mass bins."""
    return expected_calibration_error(scored.probabilities, scored.y)


METRICS: dict[str, Callable[[Scored], float]] = {
    "macro_f1": macro_f1,
    "f_avg": f_avg,
    "mcc": mcc,
    "accuracy": accuracy,
    "log_loss": log_loss,
    "ece": ece,
}
LOWER_IS_BETTER = {"log_loss", "ece"}


def check_metric(name: str, where: object) -> None:
    """Refuse the name of a metric that is not there; `where` names the config in the error."""
    if name not in METRICS:
        raise ConfigError(explain(f"{where}: unknown metric", got=name, allowed=nearest(name, METRICS)))


def resamples(documents: Ints, how: Bootstrap, seed: int) -> list[Ints]:
    """Row indices of each bootstrap resample of documents (cluster bootstrap, Field and Welsh 2007)."""
    random = np.random.default_rng(seed)
    _, numbered = np.unique(documents, return_inverse=True)
    members = [np.flatnonzero(numbered == number) for number in range(int(numbered.max()) + 1)]
    return [
        np.concatenate([members[pick] for pick in random.integers(0, len(members), len(members))])
        for _ in range(how.resamples)
    ]


def interval(values: Sequence[float], level: float) -> list[float]:
    """The percentile interval of bootstrap values."""
    tail = (1 - level) / 2
    return [round(float(np.quantile(values, q)), 6) for q in (tail, 1 - tail)]


def score(scored: Scored, how: Bootstrap, seed: int) -> dict[str, Any]:
    """Every metric with its interval, and n in rows and documents."""
    drawn = [scored.take(rows) for rows in resamples(scored.documents, how, seed)]
    table: dict[str, Any] = {"n": len(scored.y), "documents": len(np.unique(scored.documents))}
    for name, metric in METRICS.items():
        low, high = interval([metric(one) for one in drawn], how.level)
        table[name] = {"value": round(metric(scored), 6), "low": low, "high": high}
    return table


def with_interval(scored: Scored, metric: Callable[[Scored], float], how: Bootstrap, seed: int) -> dict[str, float]:
    """One metric with its interval."""
    drawn = [metric(scored.take(rows)) for rows in resamples(scored.documents, how, seed)]
    low, high = interval(drawn, how.level)
    return {"value": round(metric(scored), 6), "low": low, "high": high}


def per_class(scored: Scored, classes: Sequence[str], how: Bootstrap, seed: int) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 with the bounds of its interval, and n of each class."""
    from sklearn.metrics import precision_recall_fscore_support

    drawn = [scored.take(rows) for rows in resamples(scored.documents, how, seed)]
    scores = np.array([f1_scores(one.y, one.predicted) for one in drawn])
    found = precision_recall_fscore_support(scored.y, scored.predicted, labels=range(len(classes)), zero_division=0)
    names = ("precision", "recall", "f1", "n")
    table = {}
    for index, label in enumerate(classes):
        one = {name: round(float(values[index]), 6) for name, values in zip(names, found, strict=True)}
        low, high = interval(scores[:, index].tolist(), how.level)
        table[label] = {**one, "f1_low": low, "f1_high": high}
    return table
