"""Progress of long work, told by whoever does it and shown by whoever has a screen.

Why: only `cli.py` prints, yet downloads, exports and encodings run deep below it. They open a `task` here and
advance it; the command line installs a reporter that draws bars. Without one, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

Advance = Callable[[float], None]
Reporter = Callable[[str, float | None, str], AbstractContextManager[Advance]]


@contextmanager
def _silent(description: str, total: float | None, unit: str) -> Iterator[Advance]:
    yield lambda step: None


_reporter: ContextVar[Reporter] = ContextVar("reporter", default=_silent)


def task(description: str, total: float | None = None, unit: str = "") -> AbstractContextManager[Advance]:
    """Announce a piece of long work; the value of the `with` statement advances it.

    Parameters
    ----------
    description : str
        What is being done, in a few words.
    total : float, optional
        How much there is; None when nobody knows.
    unit : str, default ""
        What is counted: "bytes", "sentences", ...

    Examples
    --------
    >>> with task("encoding", total=2, unit="sentences") as advance:
    ...     advance(1)
    """
    return _reporter.get()(description, total, unit)


def show_with(reporter: Reporter) -> None:
    """Install the reporter that shows every later `task` of this context."""
    _reporter.set(reporter)
