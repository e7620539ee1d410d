"""Errors that a person can act on.

Why: the reader of an error is somebody with a file and a deadline, so every message says four things:
what was wrong, what came, what is allowed, and what to do next. Build messages with `explain`; the command
line prints them and exits with `exit_code`, and only programming faults show a traceback.
To add a kind of error, subclass `StancemapError` and give it an exit code of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StancemapError(Exception):
    """Base of every error that stancemap raises on purpose; its message is meant for people."""

    exit_code = 1


class InputError(StancemapError, ValueError):
    """A text, a target or a table given to `predict` cannot be used."""

    exit_code = 2


class ConfigError(StancemapError, ValueError):
    """A file in `configs/` or a command-line argument says something impossible."""

    exit_code = 2


class DataError(StancemapError, ValueError):
    """A row or a file of a dataset breaks the schema, or there is too little of it."""

    exit_code = 3


class EncoderError(StancemapError, OSError):
    """Pretrained weights cannot be found, fetched or trusted."""

    exit_code = 4


class ModelError(StancemapError, OSError):
    """A model folder is missing, damaged, or of another format."""

    exit_code = 5


class RegistryError(StancemapError, LookupError):
    """The Model Registry does not hold what was asked of it."""

    exit_code = 6


def explain(wrong: str, *, got: object = None, allowed: str | None = None, then: str | None = None) -> str:
    """Compose a message of the four parts: what was wrong, what came, what is allowed, the next step.

    Parameters
    ----------
    wrong : str
        What was wrong, as the start of a sentence without its full stop.
    got : object, optional
        What came; shown by `repr`, cut after 80 characters.
    allowed : str, optional
        What would have been accepted.
    then : str, optional
        What to do next, as a sentence without its full stop.

    Returns
    -------
    str
        One paragraph.

    Examples
    --------
    >>> explain("The label is unknown", got="pro", allowed="favor, against", then="Mend the row")
    "The label is unknown. Got: 'pro'. Allowed: favor, against. Mend the row."
    """
    parts = [f"{wrong}."]
    if got is not None:
        parts.append(f"Got: {shorten(got)}.")
    if allowed is not None:
        parts.append(f"Allowed: {allowed}.")
    if then is not None:
        parts.append(f"{then}.")
    return " ".join(parts)


def shorten(value: object, limit: int = 80) -> str:
    """`repr` of a value, cut in the middle of nowhere but never longer than `limit` characters."""
    shown = repr(value)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def nearest(name: str, options: Iterable[str]) -> str:
    """The list of allowed names, led by the likeliest one when `name` looks like a slip of it.

    Examples
    --------
    >>> nearest("ngrm", ["majority", "ngram"])
    'majority, ngram (did you mean ngram?)'
    >>> nearest("xyz", [])
    'none there yet'
    """
    known = sorted(options)
    folded = {option.casefold(): option for option in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    listed = ", ".join(known) or "none there yet"
    return f"{listed} (did you mean {folded[close[0]]}?)" if close else listed
