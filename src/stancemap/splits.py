"""Near-duplicates, and splits that nothing leaks through.

Why: a test row whose twin was trained on measures memory. Documents are never cut, near-duplicates go with
each other, and the leakage check is part of the result.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stancemap.config import Duplicates, Split
from stancemap.errors import DataError, explain

Ints = NDArray[np.int64]
NAMES = ("train", "validation", "test")
ROUNDING = 1e-6  # equal texts may miss a cosine of 1 by so much
BLOCK = 1024  # rows compared at once: bounds the memory of the comparison


def near_duplicates(texts: Sequence[str], how: Duplicates) -> list[tuple[int, int, float]]:
    """Pairs of rows whose character n-gram TF-IDF vectors have at least the configured cosine.

    Returns
    -------
    list of (int, int, float)
        Row, later row, cosine; sorted.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if len(texts) < 2:
        return []
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(how.ngram, how.ngram), dtype=np.float32)
    vectors = vectorizer.fit_transform(text.casefold() for text in texts)
    pairs: list[tuple[int, int, float]] = []
    for start in range(0, len(texts), BLOCK):
        near = (vectors[start : start + BLOCK] @ vectors.T).tocoo()
        rows, columns = near.row + start, near.col
        kept = (near.data >= how.cosine - ROUNDING) & (rows < columns)
        cosines = near.data[kept].clip(max=1).round(4)
        pairs += zip(rows[kept].tolist(), columns[kept].tolist(), cosines.tolist(), strict=True)
    return sorted(pairs)


def groups_of(documents: Sequence[str], pairs: Sequence[tuple[int, int, float]]) -> Ints:
    """Number the groups of rows that must stay together: same document, or near-duplicates, or both in a chain.

    Examples
    --------
    >>> groups_of(["a", "a", "b", "c"], [(1, 2, 0.9)]).tolist()
    [0, 0, 0, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first: dict[str, int] = {}
    edges = [(first.setdefault(document, row), row) for row, document in enumerate(documents)]
    edges += [(left, right) for left, right, _ in pairs]
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(documents), len(documents)))
    labels: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def split_rows(labels: Sequence[str], groups: Ints, how: Split, seed: int) -> list[str]:
    """Give each row "train", "validation" or "test": groups whole, labels in proportion, seeded.

    Raises
    ------
    DataError
        When a part would be empty or lack a label.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    parts = np.full(len(labels), "train", dtype=object)
    y = np.asarray(labels)
    rest = np.arange(len(labels))
    taken = 0.0
    for name, share in (("test", how.test), ("validation", how.validation)):
        part = Fraction(share / (1 - taken)).limit_denominator(max(10, round(1 / share)))
        folds = part.denominator
        if len(set(groups[rest].tolist())) < folds:
            raise DataError(_too_small(len(labels), len(set(groups.tolist()))))
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        chosen = _some(splitter.split(rest, y[rest], groups[rest]), part.numerator, len(labels), groups)
        parts[rest[chosen]] = name
        rest, taken = np.delete(rest, chosen), taken + share
    for name in NAMES:
        if set(y[parts == name].tolist()) != set(y.tolist()):
            raise DataError(_too_small(len(labels), len(set(groups.tolist()))))
    return [str(part) for part in parts]


def _some(folds: Iterator[tuple[Ints, Ints]], number: int, rows: int, groups: Ints) -> Ints:
    """The rows of the first folds; scikit-learn warns of rare labels, and refuses them when all are rare."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return np.concatenate([held for _, held in islice(folds, number)])
        except ValueError:
            raise DataError(_too_small(rows, len(set(groups.tolist())))) from None


def _too_small(rows: int, groups: int) -> str:
    wrong = f"The corpus is too small to split: {rows} rows in {groups} groups of documents"
    allowed = "enough documents that train, validation and test each hold every label"
    return explain(wrong, allowed=allowed, then="Add documents, or mend `split` in configs/pipeline.yaml")


def leaks(parts: Sequence[str], groups: Ints) -> int:
    """How many groups stand in more than one part; 0 by construction, and checked all the same."""
    homes: dict[int, set[str]] = {}
    for part, group in zip(parts, groups.tolist(), strict=True):
        homes.setdefault(group, set()).add(part)
    return sum(len(names) > 1 for names in homes.values())
