"""How far one gets without reading: scores of models that see words in a bag, the target alone, or no more than form.

Why: the distance between these and the best model is what understanding is worth on a corpus; where there is none,
the corpus can be solved by its wording (Poliak et al. 2018, "Hypothesis Only Baselines in Natural Language
Inference"). The same out-of-fold probabilities name the rows whose label looks wrong (Northcutt et al. 2021,
"Confident Learning", section 3).
To add a view, add a function of the columns to `VIEWS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stancemap.errors import DataError, explain
from stancemap.metrics import Floats, Scored

Columns = dict[str, list[Any]]


def _words(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return vocabulary(CountVectorizer(binary=True, min_df=2), texts)


def vocabulary(vectorizer: Any, texts: Sequence[str]) -> Any:
    """What a vectorizer of scikit-learn makes of texts.

    Raises
    ------
    DataError
        When no word stands in enough of them.
    """
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:
        wrong = "There is too little text to count words in: none stands in enough of the rows"
        raise DataError(explain(wrong, then="Add rows")) from None


def _shape(columns: Columns) -> NDArray[np.float64]:
    """Length, and whether there is a holder, a negation, a quotation, a digit."""
    from stancemap.checks import NEGATION

    rows = zip(columns["text"], columns["holder"], strict=True)
    return np.array(
        [
            [
                len(text.split()) / 30,
                holder is None,
                bool(NEGATION.search(text)),
                any(mark in text for mark in '"“”'),
                any(character.isdigit() for character in text),
            ]
            for text, holder in rows
        ],
        dtype=np.float64,
    )


VIEWS: Final[dict[str, Callable[[Columns], Any]]] = {
    "the target alone": lambda columns: _words(columns["target"]),
    "form alone: length, holder, negation, quotation, digits": _shape,
    "a bag of the text's words": lambda columns: _words(columns["text"]),
}


def out_of_fold(columns: Columns, features: Any, classes: Sequence[str], seed: int) -> Scored:
    """Probabilities of every row by a model that has not seen its document.

    Parameters
    ----------
    columns : dict of list
        `label` and `document` of the rows.
    features : array or sparse matrix, shape (n_rows, n_features)
        What the model sees.
    classes : sequence of str
        The labels in the order favor, against, neutral.
    seed : int
        Of the folds.

    Raises
    ------
    DataError
        When a label stands in fewer than two documents, or no way is found to hold documents back.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    from stancemap.heads import document_folds

    y = np.array([classes.index(label) for label in columns["label"]], dtype=np.int64)
    documents = np.unique(np.array(columns["document"], dtype=str), return_inverse=True)[1].astype(np.int64)
    estimator = LogisticRegression(max_iter=1000, random_state=seed)
    folds = document_folds(y, columns["document"], seed)
    probabilities: Floats = cross_val_predict(estimator, features, y, cv=folds, method="predict_proba")
    return Scored(y, probabilities, documents)


def suspects(scored: Scored) -> list[tuple[int, float]]:
    """Rows whose label the out-of-fold probabilities contradict, with what they give the label; least first."""
    from cleanlab.filter import find_label_issues

    ranked = find_label_issues(scored.y, scored.probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [(int(row), float(scored.probabilities[row, scored.y[row]])) for row in ranked]
