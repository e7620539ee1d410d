"""`majority`: the label shares of each target, never reading the text.

Why: the floor under every score. On SemEval-2016 Task 6 this alone reaches 65.2 of 69 F_avg.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from stancemap.models.base import Floats, Frame, StanceModel, State


class Majority(StanceModel):
    """Label shares by target; an unseen target gets the shares of all rows.

    Parameters
    ----------
    prior : float, default 1.0
        How many rows' worth of the overall shares every target starts with (additive smoothing,
        Manning et al. 2008, section 11.3.2).

    Examples
    --------
    >>> frame = {"text": ["a", "b", "c"], "target": ["x", "x", "y"]}
    >>> Majority().fit(frame, ["pro", "pro", "anti"]).predict({"text": ["?"], "target": ["x"]}).tolist()
    ['pro']
    """

    def __init__(self, prior: Annotated[float, Gt(0)] = 1.0) -> None:
        self.prior = prior

    def _fit(self, frame: Frame, y: NDArray[np.int64]) -> None:
        weights = np.asarray(frame["weight"], dtype=np.float64) if "weight" in frame else np.ones(len(y))
        counts = np.bincount(y, weights, minlength=len(self.classes_)) + 1.0
        self.overall_ = counts / counts.sum()
        targets = np.asarray(list(frame["target"]))
        some = {str(target): targets == target for target in sorted(set(targets.tolist()))}
        self.shares_ = {target: self._share(y[rows], weights[rows]) for target, rows in some.items()}

    def _share(self, y: NDArray[np.int64], weights: Floats) -> Floats:
        counts = np.bincount(y, weights, minlength=len(self.classes_)) + self.prior * self.overall_
        share: Floats = counts / counts.sum()
        return share

    def _logits(self, frame: Frame) -> Floats:
        logs: Floats = np.log(np.stack([self.shares_.get(target, self.overall_) for target in frame["target"]]))
        return logs

    def _state(self) -> State:
        shares = np.stack([self.overall_, *self.shares_.values()])
        return {"shares": shares}, {"targets": list(self.shares_)}

    def _restore(self, arrays: dict[str, NDArray[Any]], state: dict[str, Any], folder: Path) -> None:
        self.overall_ = arrays["shares"][0]
        self.shares_ = dict(zip(state["targets"], arrays["shares"][1:], strict=True))
