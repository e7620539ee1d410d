"""How far a corpus reads like the text that a model is aimed at: the same statistics of both, and a classifier.

Why: rows that look unlike real text teach little about it. A classifier that cannot tell the two apart (AUC 0.5)
is the best sign that a corpus will transfer, and the words it goes by say what gives the corpus away (Lopez-Paz and
Oquab 2017, "Revisiting Classifier Two-Sample Tests").
To add a statistic, add a function of one text to `STATISTICS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stancemap.checks import NEGATION, Table
from stancemap.errors import DataError, explain
from stancemap.runtime import SentenceEncoder
from stancemap.shortcuts import vocabulary

Texts = Sequence[str]
Mean = Callable[[str], float]
FOLDS: Final = 5
TELLING: Final = 15  # words shown for each side
SAMPLE: Final = 2000  # texts of a side that are encoded
WIDEST: Final = 128  # tokens of a text that are encoded
PIECE: Final = r"[\w'’]+|[^\w\s]"
_WORD = re.compile(r"[^\W\d_][\w'’-]*")


def _rate(pattern: str, flags: int = 0) -> Mean:
    compiled = re.compile(pattern, flags)
    return lambda text: 100.0 * bool(compiled.search(text))


def _count(pattern: str) -> Mean:
    compiled = re.compile(pattern)
    return lambda text: float(len(compiled.findall(text)))


def _words_a_clause(text: str) -> float:
    return len(text.split()) / (
        1 + len(re.findall(r"[,;:–—]|\b(?:and|but|that|which|who|because|if|when|while)\b", text))
    )


def _readability(text: str) -> float:
    """The automated readability index (Senter and Smith 1967): a school grade; higher is harder."""
    words = _WORD.findall(text) or ["-"]
    sentences = max(len(re.findall(r"[.!?](?:\s|$)", text)), 1)
    return 4.71 * sum(map(len, words)) / len(words) + 0.5 * len(words) / sentences - 21.43


STATISTICS: Final[dict[str, Mean]] = {
    "words": lambda text: float(len(text.split())),
    "words in a clause": _words_a_clause,
    "letters in a word": lambda text: float(np.mean([len(word) for word in _WORD.findall(text)] or [0])),
    "automated readability index": _readability,
    "names (capitalised words inside)": _count(r"(?<=[a-z,;] )[A-Z][a-z]+"),
    "commas": _count(","),
    "% with a quotation": _rate(r"[\"“”]"),
    "% with a curly quote": _rate("[‘’“”]"),
    "% with a digit": _rate(r"\d"),
    "% with a question mark": _rate(r"\?"),
    "% with a dash": _rate(r"[–—]|--| - "),
    "% with a negation": lambda text: 100.0 * bool(NEGATION.search(text)),
    "% with I, we or our": _rate(r"\b(?:I|[Ww]e|[Oo]ur)\b"),
    "% with said, told or says": _rate(r"\b(?:said|told|says)\b"),
}


def statistics(texts: Texts, cues: Sequence[str] = ()) -> dict[str, float]:
    """The mean of every statistic over the texts, and the share with each cue, in percent.

    Parameters
    ----------
    texts : sequence of str
        Repaired sentences.
    cues : sequence of str
        Regular expressions of whole words, in any case.

    Examples
    --------
    >>> statistics(["They left.", "They stay there."], ["stay"])["% with stay"]
    50.0
    """
    wanted = STATISTICS | {f"% with {cue}": _rate(rf"\b(?:{cue})\b", re.IGNORECASE) for cue in cues}
    return {name: float(np.mean([measure(text) for text in texts])) for name, measure in wanted.items()}


def told_apart(ours: NDArray[Any], theirs: NDArray[Any], documents: Sequence[str], seed: int) -> float:
    """The AUC of a linear classifier that tells two sets of vectors apart, out of fold by document.

    Parameters
    ----------
    ours, theirs : ndarray or sparse matrix, shape (n_rows, n_features)
        Vectors of the two sets.
    documents : sequence of str, length n_ours + n_theirs
        Kept whole by the folds.
    seed : int
        Of the folds.

    Raises
    ------
    DataError
        When a side has a single document.
    """
    from scipy.sparse import issparse, vstack
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    features = vstack([ours, theirs]) if issparse(ours) else np.vstack([ours, theirs])
    y = np.repeat([0, 1], [ours.shape[0], theirs.shape[0]])
    fewest = min(len({documents[row] for row in np.flatnonzero(y == side).tolist()}) for side in (0, 1))
    if fewest < 2:
        wrong = "One of the two sides is a single document, so that nothing can be held back"
        raise DataError(explain(wrong, then="Pass text of several documents"))
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    estimator = LogisticRegression(max_iter=1000, class_weight="balanced", random_state=seed)
    odds = cross_val_predict(estimator, features, y, groups=list(documents), cv=folds, method="decision_function")
    return float(roc_auc_score(y, odds))


def telling_words(ours: Texts, theirs: Texts) -> tuple[list[tuple[str, float, float]], list[tuple[str, float, float]]]:
    """The words by which the two sets are told apart: those that ours overuses, and those that it lacks.

    Returns
    -------
    tuple of two lists of (word, percent of our texts, percent of theirs)
        Most telling first.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    features = CountVectorizer(binary=True, min_df=5, ngram_range=(1, 2), token_pattern=PIECE)
    matrix = vocabulary(features, [*ours, *theirs])
    y = np.repeat([0, 1], [len(ours), len(theirs)])
    weights = LogisticRegression(C=0.3, max_iter=1000, class_weight="balanced").fit(matrix, y).coef_[0]
    names = features.get_feature_names_out()
    shares = [100 * np.asarray(matrix[y == side].sum(axis=0)).ravel() / sum(y == side) for side in (0, 1)]
    order = np.argsort(weights)

    def listed(chosen: NDArray[np.int64]) -> list[tuple[str, float, float]]:
        return [(str(names[index]), float(shares[0][index]), float(shares[1][index])) for index in chosen]

    return listed(order[:TELLING]), listed(order[::-1][:TELLING])


def likeness_tables(
    sides: Sequence[Sequence[tuple[str, str]]], cues: Sequence[str], encoder: Path | None, seed: int
) -> tuple[Table, ...]:
    """The statistics side by side, how well the two are told apart, and by which words.

    Parameters
    ----------
    sides : sequence of two sequences of (text, document)
        Ours, theirs.
    cues : sequence of str
        Regular expressions whose shares are compared as well.
    encoder : Path or None
        A model's folder with an ONNX graph, to compare sentence vectors as well.
    seed : int
        Of the folds and of the sample that is encoded.
    """
    texts = [[text for text, _ in side] for side in sides]
    means = [statistics(some, cues) for some in texts]
    body = [(name, *(f"{side[name]:.1f}" for side in means)) for name in means[0]]
    head = ("statistic", f"ours ({len(texts[0]):,})", f"theirs ({len(texts[1]):,})")
    found = [Table("Beside other text", "Means over sentences; shares in percent.", (head, *body))]
    scores = [("words and pairs of words", f"{told_apart(*_bags(*texts), _documents(sides), seed):.3f}")]
    if encoder is not None:
        some = [_sample(side, seed) for side in sides]
        vectors = [SentenceEncoder(encoder, WIDEST).encode([text for text, _ in side]) for side in some]
        scores.append(
            (
                f"vectors of {encoder.name}, {SAMPLE:,} texts a side at most",
                f"{told_apart(vectors[0], vectors[1], _documents(some), seed):.3f}",
            )
        )
    note = "AUC of a linear classifier that tells the two apart, out of fold by document; 0.5: they read alike."
    found.append(Table("Told apart", note, (("by", "AUC"), *scores)))
    for title, words in zip(("Ours overuses", "Ours lacks"), telling_words(*texts), strict=True):
        body = [(word, f"{our:.1f}", f"{their:.1f}") for word, our, their in words]
        found.append(Table(title, "Percent of the sentences that hold it.", (("word", "ours", "theirs"), *body)))
    return tuple(found)


def _documents(sides: Sequence[Sequence[tuple[str, str]]]) -> list[str]:
    return [f"{number}:{document}" for number, side in enumerate(sides) for _, document in side]


def _sample(side: Sequence[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    chosen = np.random.default_rng(seed).permutation(len(side))[:SAMPLE]
    return [side[index] for index in np.sort(chosen)]


def _bags(ours: Texts, theirs: Texts) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import CountVectorizer

    features = CountVectorizer(binary=True, min_df=3, ngram_range=(1, 2), token_pattern=PIECE)
    matrix = vocabulary(features, [*ours, *theirs])
    return matrix[: len(ours)], matrix[len(ours) :]
