"""What `stancemap predict` reads: texts out of any file, with a name for each row.

Why: an error must name the row as its owner finds it, and every column that came must still be there when the
answers are written. To read another kind of file, add its ending and a reader in `stancemap.datasets`.
"""

from __future__ import annotations

import errno
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stancemap.answers import check_output, json_lines, shown, write_rows
from stancemap.article import split_sentences
from stancemap.datasets.jsonl import decode, decoded, read_file
from stancemap.datasets.table import ENDINGS, read_table
from stancemap.errors import InputError, explain, nearest, shorten
from stancemap.repair import check_text

READ = (".txt", ".jsonl", *ENDINGS)

__all__ = [
    "Texts",
    "answer_texts",
    "check_output",
    "from_article",
    "gather",
    "json_lines",
    "read_texts",
    "refuse_columns",
    "shown",
    "which_file",
    "write_rows",
]


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


def gather(what: str, text_column: str, target_column: str | None, target: str | None) -> Texts:
    """What an argument means: a text, a file, or - for standard input; see `which_file` and `read_texts`."""
    file = None if what == "-" else which_file(what)
    if file is not None:
        return read_texts(file, text_column, target_column, target)
    refuse_columns("standard input" if what == "-" else "a text", text_column, target_column)
    if what == "-":
        return from_article(decoded(sys.stdin.buffer.read(), "standard input"), "standard input", target)
    return Texts([what], [target], [{"text": what}], [""])


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
        refuse_columns(str(path), text_column, target_column)
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
    targets = [
        cell or None for cell in table.column(target_column, "--target-column")
    ]  # an empty cell: the generic one
    if target_column != "target" and "target" in table.columns:
        wrong = f"{path} has a column 'target' beside {target_column!r}"
        raise InputError(explain(wrong, then="Rename or drop it, so that it is not overwritten"))
    return Texts(texts, targets, table.rows, table.names)


def refuse_columns(where: str, text_column: str, target_column: str | None) -> None:
    """Refuse options that name columns for what is no table."""
    for option, chosen in (("--text-column", text_column != "text"), ("--target-column", target_column is not None)):
        if chosen:
            raise InputError(explain(f"{where} is no table and has no columns", then=f"Drop {option}"))


def _read(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    if path.suffix.lower() == ".jsonl":
        rows = list(read_file(path))
        return [row for _, row in rows], [f"{where}: " for where, _ in rows]
    records = read_table(path).to_dict("records")
    # Arrays, the lists of Parquet, would be written as their repr.
    table = [{str(k): v.tolist() if hasattr(v, "tolist") else v for k, v in row.items()} for row in records]
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
        """All cells of a column; a missing one is an empty text."""
        if name not in self.columns:
            then = f"Name the right one with {option}"
            wrong = f"{self.path} has no column {name!r}"
            raise InputError(explain(wrong, allowed=nearest(name, self.columns), then=then))
        cells = [row.get(name) for row in self.rows]
        return ["" if cell is None else cell for cell in cells]


def from_article(text: str, where: str, target: str | None) -> Texts:
    """The sentences of a text, with their offsets into it."""
    try:
        sentences = split_sentences(check_text(text, limit=len(text))) if text.strip() else []
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
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
        When it is a folder, cannot be read, or reads like the name of a file that is not there.
    """
    path = Path(what)
    try:
        path = path.expanduser()
        mode = path.stat().st_mode if what else 0
    except RuntimeError:  # the home of nobody: a text that starts with ~
        mode = 0
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}:
            raise InputError(explain(f"{what} cannot be read: {error.strerror}")) from None
        mode = 0
    if stat.S_ISREG(mode):
        return path
    if mode:
        kind = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
        raise InputError(explain(f"{what} is {kind}", then="Pass a text, a file, or - for standard input"))
    one_word = len(what.split()) == 1 and (path.suffix[1:].isalnum() or "/" in what)
    if one_word or path.suffix.lower() in READ:
        then = "Mend the name; a text that looks like one wants a full stop"
        raise InputError(explain(f"There is no file {shorten(what)}", then=then))
    return None
