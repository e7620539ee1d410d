"""A multinomial logistic head, calibrated on its own out-of-fold errors.

Why: every kind that turns rows into a matrix ends in the same head. Scikit-learn fits it; at predict time it is
two NumPy arrays, so that the answering process need not import scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stancemap.errors import DataError, explain

Floats = NDArray[np.float64]
FOLDS = 5


@dataclass(frozen=True)
class LinearHead:
    """Weights of shape (n_classes, n_features), biases of shape (n_classes,), already divided by the temperature.

    The temperature (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2) minimises the
    cross-entropy of out-of-fold log-odds, with folds that keep documents whole.
    """

    weights: Floats
    biases: Floats
    temperature: float

    @classmethod
    def learn(
        cls, features: Any, y: NDArray[np.int64], frame: Mapping[str, Sequence[Any]], *, c: float, seed: int
    ) -> Self:
        """Fit on a dense or sparse matrix of shape (n_rows, n_features).

        Parameters
        ----------
        features : array or sparse matrix, shape (n_rows, n_features)
            One row for each example.
        y : ndarray of int, shape (n_rows,)
            Indices of classes; every class must occur.
        frame : mapping of columns
            `document`, where present, is kept whole by the folds; `weight`, where present, is what a row counts.
        c : float
            Inverse strength of the L2 penalty.
        seed : int
            Seed of the folds.
        """
        from sklearn.linear_model import LogisticRegression

        estimator = LogisticRegression(C=c, max_iter=2000, random_state=seed)
        weights = np.asarray(frame["weight"], dtype=np.float64) if "weight" in frame else np.ones(len(y))
        logits = cross_validated(estimator, features, y, weights, document_folds(y, frame.get("document"), seed))
        temperature = best_temperature(logits, y, weights)
        fitted = estimator.fit(features, y, sample_weight=weights)
        slopes = _per_class(np.asarray(fitted.coef_, dtype=np.float64), axis=0) / temperature
        biases = _per_class(np.asarray(fitted.intercept_, dtype=np.float64), axis=0) / temperature
        return cls(slopes, biases, temperature)

    def logits(self, features: Any) -> Floats:
        """Log-odds of shape (n_rows, n_classes)."""
        # Not `@` for dense rows: BLAS adds up one row in another order than many, and a batch must equal its rows.
        dense = isinstance(features, np.ndarray)
        odds = np.einsum("ij,kj->ik", features, self.weights) if dense else features @ self.weights.T
        scores: Floats = np.asarray(odds, dtype=np.float64) + self.biases
        return scores

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps of the head."""
        return {"weights": self.weights, "biases": self.biases, "temperature": np.array([self.temperature])}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Take back what `arrays` gave."""
        return cls(arrays["weights"], arrays["biases"], float(arrays["temperature"][0]))


def cross_validated(estimator: Any, features: Any, y: NDArray[np.int64], weights: Floats, folds: list[Any]) -> Floats:
    """Log-odds of every row by an estimator that has not seen its fold, shape (n_rows, n_classes)."""
    from sklearn.model_selection import cross_val_predict

    how = {"cv": folds, "method": "decision_function", "params": {"sample_weight": weights}}
    logits: Floats = cross_val_predict(estimator, features, y, **how)
    return _per_class(logits.reshape(len(y), -1), axis=1)


def _per_class(found: Floats, axis: int) -> Floats:
    """Scikit-learn gives two classes one column, the odds of the second; the first then has none."""
    return found if found.shape[axis] > 1 else np.concatenate([np.zeros_like(found), found], axis=axis)


def best_temperature(logits: Floats, y: NDArray[np.int64], weights: Floats | None = None) -> float:
    """The temperature, between 1/20 and 20, that minimises the cross-entropy of `logits / temperature`.

    The true label of a class with n rows counts (n + 1) / (n + n_classes) rather than 1 (Platt 1999, "Probabilistic
    Outputs for Support Vector Machines", section 2.2), so that a few rows, all of them right, do not make it certain.

    Examples
    --------
    >>> sure = np.array([[9.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    >>> best_temperature(sure, np.array([0, 1, 1, 2])) > 1  # three of four right: too sure
    True
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    classes = logits.shape[1]
    shares = 1 / (np.bincount(y, minlength=classes)[y] + classes)
    wanted = np.repeat(shares[:, None], classes, axis=1)
    wanted[np.arange(len(y)), y] = 1 - (classes - 1) * shares

    def loss(log_temperature: float) -> float:
        odds = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(np.average((wanted * odds).sum(axis=1), weights=weights))

    found = minimize_scalar(loss, bounds=(-np.log(20), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def document_folds(y: NDArray[np.int64], groups: Sequence[str] | None, seed: int) -> list[Any]:
    """Five folds, or as many as leave every label on both sides, that keep documents whole.

    Raises
    ------
    DataError
        When a label stands in fewer than two documents, or no way is found to hold documents back.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    units = list(groups) if groups is not None else [str(row) for row in range(len(y))]
    smallest = min(len({units[row] for row in np.flatnonzero(y == label)}) for label in range(int(y.max()) + 1))
    if smallest < 2:
        wrong = "There is too little to learn from: a label stands in fewer than two documents"
        raise DataError(explain(wrong, then="Add rows from further documents"))
    for number in range(min(FOLDS, smallest), 1, -1):
        splitter = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
        folds = list(splitter.split(np.zeros(len(y)), y, units))
        if all(len(set(y[train].tolist())) == int(y.max()) + 1 for train, _ in folds):
            return folds
    wrong = "There is too little to learn from: no way was found to hold documents back that leaves every label"
    raise DataError(explain(wrong, then="Add rows from further documents"))
