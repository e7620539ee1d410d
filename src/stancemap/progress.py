"""Progress of long work, told by whoever does it and shown by whoever has a screen.

Why: only `cli.py` prints, yet downloads, exports and encodings run deep below it. They open a `task` here and
advance it; the command line installs a reporter that draws bars. Without one, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

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


def bars_on(console: Any) -> Reporter:
    """A reporter that draws bars on a `rich` console: bytes for downloads, a count for the rest, else a spinner."""
    from rich import progress as rich

    @contextmanager
    def bar(description: str, total: float | None, unit: str) -> Iterator[Advance]:
        count = (rich.DownloadColumn(), rich.TransferSpeedColumn()) if unit == "bytes" else (rich.MofNCompleteColumn(),)
        known = (rich.BarColumn(), *count, rich.TimeRemainingColumn()) if total else (rich.SpinnerColumn(),)
        columns = (rich.TextColumn("{task.description}"), *known, rich.TimeElapsedColumn())
        with rich.Progress(*columns, console=console, transient=True) as progress:
            job = progress.add_task(description, total=total)
            yield lambda step: progress.advance(job, step)

    return bar


def show_with(reporter: Reporter) -> None:
    """Install the reporter that shows every later `task` of this context."""
    _reporter.set(reporter)
