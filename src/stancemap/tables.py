"""What `stancemap predict` reads, shows and writes: texts out of any file, answers into any file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stancemap.article import split_sentences
from stancemap.datasets.jsonl import decode, read_file
from stancemap.datasets.table import ENDINGS, read_table
from stancemap.errors import InputError, explain, nearest

READ = (".txt", ".jsonl", *ENDINGS)
WRITTEN = (".jsonl", *ENDINGS)
COLOURS = ("green", "red", "default")  # favor, against, neutral


@dataclass(frozen=True)
class Texts:
    """Texts to answer, the targets that came with them, and the rows they came from.

    Attributes
    ----------
    texts, targets : list
        One for each row; a target of None is the family's generic one.
    rows : list of dict
        All columns of each row, to be written beside the answers.
    names : list of str
        What errors call each row.
    """

    texts: list[Any]
    targets: list[Any]
    rows: list[dict[str, Any]]
    names: list[str]


def read_texts(path: Path, text_column: str, target_column: str | None, target: str | None) -> Texts:
    """Read what is to be answered: the sentences of a .txt article, or a column of a table.

    Parameters
    ----------
    path : Path
        A .txt, .jsonl, .csv, .tsv or .parquet file.
    text_column : str
        The column of sentences, in a table.
    target_column : str or None
        The column of targets; a column named `target` is used when there is one.
    target : str or None
        One target for all rows; a table with targets of its own is then refused.

    Raises
    ------
    InputError
        When the ending is unknown, the file is empty, or a column is missing or in the way.
    DataError
        When the file cannot be read as what it says it is.
    """
    ending = path.suffix.lower()
    if ending not in READ:
        then = "Rename the file, or pass the text itself"
        raise InputError(explain(f"{path} is of a kind that cannot be read", allowed=", ".join(READ), then=then))
    if ending == ".txt":
        if target_column is not None:
            raise InputError(explain(f"{path} is an article and has no columns", then="Drop --target-column"))
        return from_article(decode(path), path.name, target)
    table = _Table(path, *_read(path))
    texts = table.column(text_column, "--text-column")
    if target_column is None and "target" in table.columns:
        target_column = "target"
    if target_column is None:
        return Texts(texts, [target] * len(texts), table.rows, table.names)
    if target is not None:
        then = "Drop --target, or rename the column"
        raise InputError(explain(f"{path} has targets of its own, in the column {target_column!r}", then=then))
    return Texts(texts, table.column(target_column, "--target-column"), table.rows, table.names)


def _read(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    if path.suffix.lower() == ".jsonl":
        rows = list(read_file(path))
        return [row for _, row in rows], [f"{where}: " for where, _ in rows]
    table = read_table(path).to_dict("records")
    return table, [f"{path.name}:row {number}: " for number in range(1, len(table) + 1)]


class _Table:
    """Rows of a file, with errors that name it."""

    def __init__(self, path: Path, rows: list[dict[str, Any]], names: list[str]) -> None:
        self.path, self.rows, self.names = path, rows, names
        self.columns = list(dict.fromkeys(str(column) for row in rows for column in row))
        if not rows:
            raise InputError(explain(f"{path} holds no rows", then="Pass a file with at least one"))
        taken = [name for name in self.columns if name == "predicted" or name.startswith("p(")]
        if taken:
            wrong = f"{path} holds answers already, in the column {taken[0]!r}"
            raise InputError(explain(wrong, then="Rename or drop the column, so that nothing is overwritten"))

    def column(self, name: str, option: str) -> list[Any]:
        """All cells of a column; an empty one is an empty text."""
        if name not in self.columns:
            then = f"Name the right one with {option}"
            wrong = f"{self.path} has no column {name!r}"
            raise InputError(explain(wrong, allowed=nearest(name, self.columns), then=then))
        cells = [row.get(name) for row in self.rows]
        return ["" if cell is None else cell for cell in cells]


def from_article(text: str, where: str, target: str | None) -> Texts:
    """The sentences of a text, with their offsets into it."""
    sentences = split_sentences(text)
    if not sentences:
        raise InputError(explain(f"{where} holds no sentence", then="Pass a text with words in it"))
    rows = [{"text": one.text, "start": one.start, "end": one.end} for one in sentences]
    names = [f"{where}:characters {one.start}-{one.end}: " for one in sentences]
    return Texts([one.text for one in sentences], [target] * len(rows), rows, names)


def answer_texts(texts: Texts, model: str | Path | None = None) -> list[dict[str, Any]]:
    """The rows as they came, with `target`, `predicted` and one `p(LABEL)` for each label added."""
    from stancemap.predict import answer

    out = []
    for row, found in zip(texts.rows, answer(texts.texts, texts.targets, texts.names, model), strict=True):
        added: dict[str, Any] = {"target": found.target, "predicted": found.label}
        added |= {f"p({label})": round(value, 6) for label, value in found.probabilities.items()}
        out.append({**row, **added})
    return out


def which_file(what: str) -> Path | None:
    """The file that an argument means; None when it is a text.

    Raises
    ------
    InputError
        When it reads like the name of a file that is not there.
    """
    path = Path(what).expanduser()
    try:
        if path.is_file():
            return path
        folder = path.is_dir()
    except OSError:  # a name longer than any file's
        return None
    if folder:
        raise InputError(explain(f"{what} is a folder", then="Pass a text, or one of its files"))
    if path.suffix.lower() in READ and len(what.split()) == 1:
        raise InputError(explain(f"There is no file {what}", then="Mend the name, or pass the text itself"))
    return None


def check_output(path: Path) -> None:
    """Refuse an output of an unknown kind before any work is done."""
    if path.suffix.lower() not in WRITTEN:
        raise InputError(explain(f"{path} is of a kind that cannot be written", allowed=", ".join(WRITTEN)))
    if not path.parent.is_dir():
        raise InputError(explain(f"There is no folder {path.parent}", then="Make it, or write elsewhere"))


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows by the file's ending, all or none."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _WRITERS[path.suffix.lower()](draft, rows)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def json_lines(rows: Sequence[dict[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)


def _frame(rows: Sequence[dict[str, Any]]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows)


_WRITERS: dict[str, Callable[[Path, Sequence[dict[str, Any]]], object]] = {
    ".jsonl": lambda path, rows: path.write_text(json_lines(rows), encoding="utf-8"),
    ".csv": lambda path, rows: _frame(rows).to_csv(path, index=False),
    ".tsv": lambda path, rows: _frame(rows).to_csv(path, index=False, sep="\t"),
    ".parquet": lambda path, rows: _frame(rows).to_parquet(path, index=False),
}


def shown(rows: Sequence[dict[str, Any]], text_column: str = "text") -> Any:
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
        table.add_row(Text(row[text_column]), *aim, Text(stance, style=colours[stance]), f"{sure:.2f}", bar)
    counts = ", ".join(f"{sum(row['predicted'] == label for row in rows)} {label}" for label in labels)
    about = f"on {rows[0]['target']}: " if len(targets) == 1 else ""
    return Group(table, Text(f"{about}{counts}", style="bold"))
