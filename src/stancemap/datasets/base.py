"""From a dataset's config to its raw rows."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from stancemap.config import Dataset
from stancemap.errors import ConfigError, DataError, explain, nearest
from stancemap.examples import RawRow


def readers() -> list[str]:
    """The names of all readers, from the files of `datasets/`."""
    return sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py") if file.stem != "base")


def read_raw(dataset: Dataset, folder: Path) -> Iterator[RawRow]:
    """All rows of a dataset, file by file in the order of names.

    Raises
    ------
    ConfigError
        When there is no such reader.
    DataError
        When no file matches, or a file cannot be read.
    """
    if dataset.reader not in readers():
        allowed = nearest(dataset.reader, readers())
        raise ConfigError(explain("There is no such reader", got=dataset.reader, allowed=allowed))
    paths = sorted({path for pattern in dataset.files for path in folder.glob(pattern) if path.is_file()})
    if not paths:
        then = "Put the dataset's files there, or mend `files` in its config"
        raise DataError(explain(f"No file in {folder} matches {', '.join(dataset.files)}", then=then))
    read_file = importlib.import_module(f"stancemap.datasets.{dataset.reader}").read_file
    for path in paths:
        yield from read_file(path)
