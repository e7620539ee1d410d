"""Whether probabilities keep their word: expected calibration error and the reliability table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 10


def reliability(probabilities: Floats, y: NDArray[np.int64], bins: int = BINS) -> list[dict[str, Any]]:
    """Confidence against accuracy in bins of equal mass.

    Parameters
    ----------
    probabilities : ndarray, shape (n_rows, n_classes)
        Predicted probabilities.
    y : ndarray of int, shape (n_rows,)
        True classes.
    bins : int, default 10
        How many bins; equal numbers of rows in each (Nixon et al. 2019, "Measuring Calibration in Deep
        Learning", section 3).

    Returns
    -------
    list of dict
        `confidence` (mean predicted probability of the predicted label), `accuracy`, `n`.
    """
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == y).astype(float)
    order = np.argsort(confidence, kind="stable")
    evenly = np.cumsum([len(part) for part in np.array_split(order, min(bins, len(order)))])[:-1]
    # Equal confidences share a bin; else the order of the rows would decide which of them count together.
    ties = np.searchsorted(confidence[order], confidence[order][evenly], side="left")
    return [
        {"confidence": float(confidence[part].mean()), "accuracy": float(right[part].mean()), "n": len(part)}
        for part in np.split(order, np.unique(ties[ties > 0]))
    ]


def expected_calibration_error(probabilities: Floats, y: NDArray[np.int64], bins: int = BINS) -> float:
    """Mean distance between confidence and accuracy, weighted by rows (Naeini et al. 2015), in equal-mass bins.

    Examples
    --------
    >>> expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]), bins=1)
    0.4
    """
    table = reliability(probabilities, y, bins)
    total = sum(one["n"] * abs(one["confidence"] - one["accuracy"]) for one in table) / len(y)
    return round(float(total), 12)
