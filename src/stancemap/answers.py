"""What `stancemap predict` shows and writes: answers on a screen, or into any file.

Why: a run of an hour must not end in half a file, nor change a cell that was only passing through.
To write another kind of file, add its ending and a writer to `_WRITERS`.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stancemap.errors import InputError, explain
from stancemap.repair import repair

Rows = Sequence[dict[str, Any]]
COLOURS = ("green", "red", "default")  # favor, against, neutral


def check_output(path: Path) -> None:
    """Refuse an output of an unknown kind, or in a place that cannot be written, before any work is done."""
    if path.suffix.lower() not in _WRITERS:
        raise InputError(explain(f"{path} is of a kind that cannot be written", allowed=", ".join(_WRITERS)))
    if not path.parent.is_dir():
        raise InputError(explain(f"There is no folder {path.parent}", then="Make it, or write elsewhere"))
    if path.is_dir():
        raise InputError(explain(f"{path} is a folder", then="Name a file"))
    with _draft(path) as draft:
        draft.touch()


def write_rows(path: Path, rows: Rows) -> None:
    """Write rows by the file's ending, all or none.

    Raises
    ------
    InputError
        When the place cannot be written, or the kind of file cannot hold the rows.
    """
    with _draft(path) as draft:
        _WRITERS[path.suffix.lower()](draft, rows)
        draft.replace(path)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A name beside a file, for what is to take its place; nothing is left there."""
    draft = path.with_name(f".stancemap-{os.getpid()}")  # short: a name beside a long one must not be too long
    try:
        yield draft
    except OSError as error:
        raise InputError(explain(f"{path} cannot be written: {error.strerror}", then="Write elsewhere")) from None
    finally:
        draft.unlink(missing_ok=True)


def json_lines(rows: Rows) -> str:
    """One JSON object a line."""
    lines = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
    return lines.encode("utf-8", "backslashreplace").decode()  # half of a pair of surrogates is no UTF-8


def _write_csv(path: Path, rows: Rows, separator: str) -> None:
    """Every cell as it came; lists and mappings as JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
        # A lone carriage return would end a line, and is not quoted by itself.
        quoted = csv.writer(stream, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for cells in (names, *([_cell(row.get(name)) for name in names] for row in rows)):
            (quoted if any("\r" in cell for cell in cells) else writer).writerow(cells)


def _cell(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else str(value)


def _write_parquet(path: Path, rows: Rows) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in names:
        try:
            columns[name] = pa.array([row.get(name) for row in rows], from_pandas=True)
        except (ValueError, TypeError) as error:  # pyarrow's own errors are of these kinds
            wrong = f"The column {name!r} cannot be written as Parquet: {error}"
            raise InputError(explain(wrong, then="Write .jsonl, which holds values of any kind")) from None
    parquet.write_table(pa.table(columns), path)


_WRITERS: dict[str, Callable[[Path, Rows], object]] = {
    ".jsonl": lambda path, rows: path.write_text(json_lines(rows), encoding="utf-8"),
    ".csv": lambda path, rows: _write_csv(path, rows, ","),
    ".tsv": lambda path, rows: _write_csv(path, rows, "\t"),
    ".parquet": _write_parquet,
}


def shown(rows: Rows, text_column: str = "text") -> Any:
    """A table for a screen: each text, where its holder stands, and how sure that is, with a bar; then the sums."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    labels = [name[2:-1] for name in rows[0] if name.startswith("p(")]
    colours = dict(zip(labels, COLOURS, strict=True))
    targets = {row["target"] for row in rows}
    table = Table("text", *(["target"] if len(targets) > 1 else []), "stance", "p", "", box=None, padding=(0, 1))
    table.columns[0].ratio = 1
    for row in rows:
        stance, sure = row["predicted"], max(row[f"p({label})"] for label in labels)
        aim = [Text(row["target"], style="dim")] if len(targets) > 1 else []
        bar = ProgressBar(1.0, sure, width=8, complete_style=colours[stance], finished_style=colours[stance])
        text = Text(repair(row[text_column]).text)
        table.add_row(text, *aim, Text(stance, style=colours[stance]), f"{sure:.2f}", bar)
    counts = ", ".join(f"{sum(row['predicted'] == label for row in rows)} {label}" for label in labels)
    about = f"on {rows[0]['target']}: " if len(targets) == 1 else ""
    return Group(table, Text(f"{about}{counts}", style="bold"))
