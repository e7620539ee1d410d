"""`jsonl`: one JSON object a line, UTF-8."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from stancemap.errors import DataError, explain
from stancemap.examples import RawRow


def read_file(path: Path) -> Iterator[RawRow]:
    """Yield `(file:line, columns)`; blank lines are passed over.

    Raises
    ------
    DataError
        When the file is not UTF-8, or a line is no JSON object.
    """
    for number, line in enumerate(decode(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits, or brackets 5,000 deep
            reason = getattr(error, "msg", error)
            raise DataError(f"{where}: " + explain(f"The line is no JSON: {reason}", got=line)) from None
        if not isinstance(row, dict):
            raise DataError(f"{where}: " + explain("The line is no JSON object", got=row))
        yield where, row


def decode(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte-order mark."""
    try:
        return decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(explain(f"{path} cannot be read: {error.strerror}")) from None


def decoded(content: bytes, where: str) -> str:
    """The text of UTF-8 bytes; `where` names them in the error."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = f"{where} is not UTF-8: byte {content[error.start]:#04x} at position {error.start}"
        raise DataError(explain(wrong, then="Save the file as UTF-8")) from None
