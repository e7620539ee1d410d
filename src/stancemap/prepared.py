"""What `prepare` wrote, read back as a `datasets.DatasetDict`: memory-mapped, with its `ClassLabel`."""

from __future__ import annotations

from typing import Any

from stancemap.encoders import cache
from stancemap.errors import DataError, explain
from stancemap.project import Project

AUDIT = "audit.json"
SPLITS = ("train", "validation", "test")


def load_prepared(project: Project, name: str) -> Any:
    """The `DatasetDict` of a prepared dataset, with the splits train, validation and test.

    Raises
    ------
    DataError
        When the dataset was not prepared.
    """
    import datasets

    folder = project.prepared(name)
    files = {split: str(folder / f"{split}.parquet") for split in SPLITS}
    if not all((folder / f"{split}.parquet").is_file() for split in SPLITS):
        raise DataError(explain(f"The dataset {name} is not prepared", then=f"Run `stancemap prepare {name}`"))
    datasets.disable_progress_bars()
    found = datasets.load_dataset("parquet", data_files=files, cache_dir=str(cache() / "datasets"))
    if not {"register", "weight"} <= set(found["train"].column_names):
        wrong = f"The dataset {name} was prepared by an older stancemap"
        raise DataError(explain(wrong, then=f"Run `stancemap prepare {name}`"))
    return found


def columns_of(split: Any) -> dict[str, list[Any]]:
    """The columns of one split as lists, with labels by name."""
    names = split.features["label"].names
    columns = {name: split[name][:] for name in split.column_names}
    return {**columns, "label": [names[index] for index in columns["label"]]}
