"""`table`: CSV, TSV or Parquet, by the file's ending."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stancemap.errors import DataError, explain
from stancemap.examples import RawRow

ENDINGS = {".csv": ",", ".tsv": "\t", ".parquet": None}


def read_file(path: Path) -> Iterator[RawRow]:
    """Yield `(file:row, columns)`; empty cells of a CSV are missing values."""
    table = read_table(path)
    for number, row in enumerate(table.to_dict("records"), start=1):
        yield f"{path.name}:row {number}", {name: value for name, value in row.items() if value is not None}


def read_table(path: Path) -> Any:
    """A pandas DataFrame of a CSV, TSV or Parquet file; every cell of a CSV is a string or None.

    Raises
    ------
    DataError
        When the ending is unknown, or the file cannot be read as what it says it is.
    """
    if path.suffix.lower() not in ENDINGS:
        raise DataError(explain(f"{path} is no table that can be read", allowed=", ".join(ENDINGS)))
    separator = ENDINGS[path.suffix.lower()]
    try:
        table = _parquet(path) if separator is None else _separated(path, separator)
    except UnicodeDecodeError as error:
        wrong = f"{path} is not UTF-8: byte {error.object[error.start]:#04x} at position {error.start}"
        raise DataError(explain(wrong, then="Save the file as UTF-8")) from None
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise DataError(explain(f"{path} cannot be read as {path.suffix.lower()[1:]}: {reason}")) from None
    empty = table.isna() | (table == "" if separator else False)
    return table.astype(object).mask(empty, None)


def _parquet(path: Path) -> Any:
    import pandas as pd

    table = pd.read_parquet(path, dtype_backend="pyarrow")  # else a column of integers with a gap becomes floats
    return table.reset_index() if any(table.index.names) else table


def _separated(path: Path, separator: str) -> Any:
    import pandas as pd

    how = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig", "skip_blank_lines": False}
    table = pd.read_csv(path, sep=separator, **how)
    header = pd.read_csv(path, sep=separator, header=None, nrows=1, **how).iloc[0]
    if header.duplicated().any():  # pandas would give the second another name
        raise ValueError(f"two columns are named {header[header.duplicated()].iloc[0]!r}")
    if not table.index.equals(pd.RangeIndex(len(table))):  # pandas would take the first cells for names of the rows
        raise ValueError("row 1 has more cells than the header; quote a cell that holds the separator")
    filled = (table.notna() & (table != "")).any(axis=1)
    return table.iloc[: filled[filled].index.max() + 1 if filled.any() else 0]  # an empty row is one, but at the end
