"""`predict` and `load`: the face of stancemap.

Why: one call, no set-up. The answering process imports neither torch, transformers, mlflow nor datasets when the
champion is at hand; texts are repaired here exactly as `prepare` repaired the training rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from stancemap.errors import InputError, ModelError, StancemapError, explain
from stancemap.progress import task

if TYPE_CHECKING:
    from stancemap.models.base import StanceModel

SHOWN = 20  # faults named in one error
CHUNK = 64  # rows answered between two steps of the progress bar
ABOUT = ("model", "dataset", "target", "target_words")  # what `stancemap fit` leaves in a bundle for `predict`
_loaded: dict[tuple[Path, int], tuple[StanceModel, dict[str, Any]]] = {}


@dataclass(frozen=True, slots=True)
class Prediction:
    """Where the holder of a sentence stands on a target.

    Attributes
    ----------
    label : str
        The likeliest label, by the dataset's own name.
    probabilities : dict of str to float
        The probability of each label; they sum to 1.
    target : str
        What the stance is about.
    """

    label: str
    probabilities: dict[str, float]
    target: str


def load(model: str | Path | None = None) -> StanceModel:
    """Open a model: an estimator with `classes_`, `predict` and `predict_proba` over columns `text` and `target`.

    Parameters
    ----------
    model : str or Path, optional
        A folder, a registry address (`models:/stancemap-withdrawal@champion`) or an alias; the champion by default.

    Raises
    ------
    ModelError
        When the folder is missing, damaged or of another format.
    RegistryError
        When the registry holds no such model.
    """
    return open_with_about(model)[0]


@overload
def predict(  # type: ignore[overload-overlap]  # a str is an iterable of str, and comes first
    text: str, target: str | None = None, *, model: str | Path | None = None
) -> Prediction: ...


@overload
def predict(
    text: Iterable[str], target: str | Iterable[str] | None = None, *, model: str | Path | None = None
) -> list[Prediction]: ...


def predict(
    text: str | Iterable[str],
    target: str | Iterable[str] | None = None,
    *,
    model: str | Path | None = None,
) -> Prediction | list[Prediction]:
    """Tell where the holder of each sentence stands on its target.

    Parameters
    ----------
    text : str or iterable of str
        A sentence, or several (a list, a pandas Series).
    target : str or iterable of str, optional
        The action that the stance is about: one for all, or one for each sentence. By default the generic target
        of the model's family.
    model : str or Path, optional
        See `load`.

    Returns
    -------
    Prediction or list of Prediction
        One for a sentence, a list for several.

    Raises
    ------
    InputError
        When a text or a target cannot be used; every unusable row is named, and nothing is answered in part.

    Examples
    --------
    >>> predict("The senator said the troops should come home.")  # doctest: +SKIP
    Prediction(label='pro-withdrawal', probabilities={...}, target='withdrawal of foreign troops')
    """
    single = isinstance(text, str)
    texts: list[Any] = [text] if single else as_list(text, "text")
    aims = [target] * len(texts) if target is None or isinstance(target, str) else as_list(target, "target")
    if len(aims) != len(texts):
        then = "Pass one target for all, or one for each"
        raise InputError(explain(f"{len(texts)} texts came with {len(aims)} targets", then=then))
    names = [""] if single else [f"text {row}: " for row in range(len(texts))]
    answers = answer(texts, aims, names, model)
    return answers[0] if single else answers


def answer(
    texts: Sequence[object], targets: Sequence[object], names: Sequence[str], model: str | Path | None = None
) -> list[Prediction]:
    """Answer rows, each named in errors by its own name; a target of None is the family's generic one.

    Raises
    ------
    InputError
        When a text or a target cannot be used; up to 20 rows are named.
    ModelError
        When the model was saved without what must be known of its dataset.
    """
    fitted, about = open_with_about(model)
    if lacking := [key for key in ABOUT if key not in about]:
        wrong = f"The model says nothing of its {', '.join(lacking)}"
        raise ModelError(explain(wrong, then="Fit it with `stancemap fit`, or call its predict_proba"))
    frame = _checked(texts, targets, names, about)
    labels = [str(label) for label in fitted.classes_]
    answers: list[Prediction] = []
    with task("predicting", len(texts), "texts") as advance:
        for start in range(0, len(texts), CHUNK):
            part = {name: column[start : start + CHUNK] for name, column in frame.items()}
            answers += [
                Prediction(labels[int(row.argmax())], dict(zip(labels, row.tolist(), strict=True)), aim)
                for row, aim in zip(fitted.predict_proba(part), part["target"], strict=True)
            ]
            advance(len(part["text"]))
    return answers


def open_with_about(model: str | Path | None = None) -> tuple[StanceModel, dict[str, Any]]:
    """A model and what it knows of its dataset; kept open, so that a second call costs nothing."""
    from stancemap.bundle import HEAD
    from stancemap.kinds import open_model
    from stancemap.registry import resolve

    folder = resolve(model).resolve()
    head = folder / HEAD
    key = (folder, head.stat().st_mtime_ns if head.is_file() else 0)
    if key not in _loaded:
        try:
            _loaded[key] = open_model(folder)
        except (StancemapError, ImportError):
            raise
        except Exception as error:  # noqa: BLE001 - safetensors, ONNX Runtime and tokenizers each have their own
            reason = (str(error).strip().splitlines() or [""])[0].rstrip(".")
            wrong = f"The model {folder} cannot be opened: {type(error).__name__}: {reason}"
            raise ModelError(explain(wrong, then="Fit the model again, or copy the folder afresh")) from None
    return _loaded[key]


def as_list(values: Any, name: str) -> list[Any]:
    """A list of what was passed as several values; a table, a mapping or a number is refused."""
    flat = isinstance(values, Iterable) and not hasattr(values, "columns") and getattr(values, "ndim", 1) == 1
    if not flat or isinstance(values, (bytes, bytearray, memoryview, Mapping, AbstractSet)):  # a set has no order
        allowed = "a string, or a list or Series of strings"
        wrong = f"{name} is of type {type(values).__name__}"
        raise InputError(explain(wrong, allowed=allowed, then="Pass one column"))
    return list(values)


def _checked(
    texts: Sequence[object], targets: Sequence[object], names: Sequence[str], about: dict[str, Any]
) -> dict[str, list[str]]:
    """Repaired texts and checked targets, or one error that names every row with a fault."""
    from stancemap.repair import check_text, repair

    frame: dict[str, list[str]] = {"text": [], "target": []}
    known: dict[Any, str] = {None: str(about["target"])}
    if len(targets) > 1 and targets[0] is not None and all(target is targets[0] for target in targets):
        known[targets[0]] = check_target(targets[0], about)  # one target for all is one fault, not one for each row
    faults = []
    for text, target, name in zip(texts, targets, names, strict=True):
        try:
            mended = repair(check_text(text)).text
            if not isinstance(target, str | None) or target not in known:
                known[target] = check_target(target, about)
        except InputError as error:
            faults.append(f"{name}{error}")
            continue
        frame["text"].append(mended)
        frame["target"].append(known[target])
    if faults:
        more = [f"... and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise InputError("\n".join([*faults[:SHOWN], *more]))
    return frame


def check_target(target: object, about: dict[str, Any]) -> str:
    """A repaired target of the model's family.

    Raises
    ------
    InputError
        When it is no usable text, or of another family.
    """
    from stancemap.repair import check_text, repair

    try:
        aim = repair(check_text(target)).text
    except InputError as error:
        raise InputError(f"target: {error}") from None
    words = [re.escape(word.casefold()) for word in about["target_words"]]
    if words and not re.search(rf"\b(?:{'|'.join(words)})", aim.casefold()):
        wrong = f"The target is outside the family of the model {about['model']} on {about['dataset']}"
        allowed = f"an action such as {about['target']!r}"
        then = "Name the action in such words, or train on a dataset of your own: see `Your own issue` in README.md"
        raise InputError(explain(wrong, got=aim, allowed=allowed, then=then))
    return aim
