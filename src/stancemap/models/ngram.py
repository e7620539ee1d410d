"""`ngram`: word and character n-grams, linear, with text × target interaction.

Why: the strongest system of SemEval-2016 Task 6 was an n-gram SVM (Mohammad et al. 2017, "Stance and Sentiment
in Tweets", section 5), and it fits in seconds. One classifier for each target, as there, starves when a corpus
has hundreds of targets; so every n-gram has one weight for all targets, and every word n-gram one more for each
frequent target (Daumé 2007, "Frustratingly Easy Domain Adaptation"), and the penalty decides between them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from stancemap.heads import LinearHead
from stancemap.models.base import Floats, Frame, StanceModel, State

ANALYZERS: dict[str, dict[str, Any]] = {
    "word": {"analyzer": "word", "ngram_range": (1, 3), "token_pattern": r"(?u)\b\w[\w'’-]*"},
    "char": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}


class Ngram(StanceModel):
    """TF-IDF of word 1–3-grams and character 2–5-grams, then a calibrated linear head.

    Parameters
    ----------
    c : float, default 3.0
        Inverse strength of the L2 penalty.
    min_rows : int, default 3
        An n-gram in fewer rows is left out.
    target_rows : int, default 100
        A target with fewer rows gets no weights of its own.
    seed : int, default 0
        Seed of the folds that the calibration rests on.

    Examples
    --------
    >>> frame = {"text": ["they must go", "they must stay"] * 4, "target": ["withdrawal of troops"] * 8}
    >>> model = Ngram(min_rows=1).fit(frame, ["pro", "anti"] * 4, classes=["pro", "anti"])
    >>> model.predict({"text": ["go"], "target": ["withdrawal of troops"]}).tolist()
    ['pro']
    """

    def __init__(
        self,
        c: Annotated[float, Gt(0)] = 3.0,
        min_rows: Annotated[int, Ge(1)] = 3,
        target_rows: Annotated[int, Ge(1)] = 100,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.c = c
        self.min_rows = min_rows
        self.target_rows = target_rows
        self.seed = seed

    def _fit(self, frame: Frame, y: NDArray[np.int64]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectorizers_ = {
            name: TfidfVectorizer(**how, min_df=self.min_rows, sublinear_tf=True, dtype=np.float64).fit(frame["text"])
            for name, how in ANALYZERS.items()
        }
        counts = Counter(frame["target"])
        self.targets_ = sorted(target for target, rows in counts.items() if rows >= self.target_rows)
        self.head_ = LinearHead.learn(self._features(frame), y, frame, c=self.c, seed=self.seed)

    def _features(self, frame: Frame) -> Any:
        from scipy.sparse import csr_array, diags_array, hstack

        shared = {name: vectorizer.transform(frame["text"]) for name, vectorizer in self.vectorizers_.items()}
        targets = np.asarray(list(frame["target"]))
        own = [diags_array((targets == target).astype(np.float64)) @ shared["word"] for target in self.targets_]
        return csr_array(hstack([*shared.values(), *own], format="csr"))

    def _logits(self, frame: Frame) -> Floats:
        return self.head_.logits(self._features(frame))

    def _state(self) -> State:
        idf = {f"idf.{name}": vectorizer.idf_ for name, vectorizer in self.vectorizers_.items()}
        terms = {name: vectorizer.get_feature_names_out().tolist() for name, vectorizer in self.vectorizers_.items()}
        return {**self.head_.arrays(), **idf}, {"targets": self.targets_, "terms": terms}

    def _restore(self, arrays: dict[str, NDArray[Any]], state: dict[str, Any], folder: Path) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectorizers_ = {}
        for name, how in ANALYZERS.items():
            vectorizer = TfidfVectorizer(**how, vocabulary=state["terms"][name], sublinear_tf=True, dtype=np.float64)
            vectorizer.idf_ = arrays[f"idf.{name}"]
            self.vectorizers_[name] = vectorizer
        self.targets_ = list(state["targets"])
        self.head_ = LinearHead.from_arrays(arrays)
