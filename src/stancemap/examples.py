"""One row: what an example is, and how a raw row becomes one.

Why: a wrong row must stop the pipeline with its file, line, field and value, never slip into training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stancemap.config import Dataset
from stancemap.errors import DataError, InputError, explain, nearest

TAGS = (
    "negation double-negation hedge prediction procedure motive conditional quote indirect-speech anaphora irony "
    "rhetorical mixed numbers noise keyword-trap other-target off-topic implicit"
).split()
SHOWN = 20  # faults listed before the rest are counted


class Example(BaseModel):
    """A labelled sentence: whose stance (`holder`, None for the author) it gives on `target`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(min_length=1)
    text: str
    target: str = Field(min_length=1)
    label: str
    holder: str | None = None
    document: str = Field(min_length=1)
    genre: str | None = None
    tags: list[str] = Field(default_factory=list)
    coders: list[str] = Field(default_factory=list)
    source: str = ""  # the name of its file without suffix: the register


RawRow = tuple[str, dict[str, Any]]
"""Where a row stands (`file:line`), and its columns as the file gives them."""


def parse_rows(rows: Iterable[RawRow], dataset: Dataset, check: Callable[[object], str]) -> list[Example]:
    """Rename columns, check every field of every row, and refuse the lot when one is wrong.

    Parameters
    ----------
    rows : iterable of (where, columns)
        What a reader yields.
    dataset : Dataset
        Column names, labels and the generic target.
    check : callable
        Refuses unusable texts with `InputError`; see `stancemap.repair.check_text`.

    Raises
    ------
    DataError
        One line for each fault, at most 20, with file, line, field, value and what is allowed.
    """
    faults: list[str] = []
    examples: list[Example] = []
    seen: dict[str, str] = {}
    present: dict[str, None] = {}
    for where, raw in rows:
        present |= dict.fromkeys(raw)
        found = _faults(raw, dataset, check)
        if not found:
            example = Example.model_validate({**_renamed(raw, dataset, where), "source": register_of(where)})
            if example.id in seen:
                found = [
                    explain("id: the id stands twice", got=example.id, then=f"It stands in {seen[example.id]} too")
                ]
            seen[example.id] = where
            examples.append(example)
        faults += [f"{where}: {fault}" for fault in found]
    if faults:
        more = [f"... and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise DataError("\n".join([*faults[:SHOWN], *more]))
    if examples:
        _refuse_absent(dataset, list(present))
    return examples


def register_of(where: str) -> str:
    """The register of a row: its file's name without suffix.

    Examples
    --------
    >>> register_of("plain-floor.jsonl:12")
    'plain-floor'
    """
    return PurePath(where.rpartition(":")[0]).stem


def _refuse_absent(dataset: Dataset, present: list[str]) -> None:
    """A column that the config names must be in some row: a misspelt `document` would cut documents in silence."""
    for field in sorted(dataset.columns.model_fields_set):
        column = getattr(dataset.columns, field)
        if column is not None and column not in present:
            then = f"Mend `columns.{field}` in the dataset's config"
            raise DataError(explain("No row has the column", got=column, allowed=nearest(column, present), then=then))


def _renamed(raw: Mapping[str, Any], dataset: Dataset, where: str) -> dict[str, Any]:
    """The example's fields by their own names; what a dataset has no column for gets its stand-in."""
    columns = dataset.columns.model_dump()
    row = {field: raw[column] for field, column in columns.items() if column is not None and column in raw}
    row.setdefault("id", where)
    row.setdefault("document", row["id"])
    row.setdefault("target", dataset.target.generic)
    for field in ("tags", "coders"):
        value = row.get(field)
        row[field] = value.split() if isinstance(value, str) else _listed(value)
    return row


def _listed(value: Any) -> Any:
    """A list as a list, also out of Parquet, and nothing as an empty one; the schema refuses the rest."""
    if value is None:
        return []
    return value.tolist() if hasattr(value, "tolist") else value


def _faults(raw: Mapping[str, Any], dataset: Dataset, check: Callable[[object], str]) -> list[str]:
    needed = [dataset.columns.text, dataset.columns.label]
    missing = [column for column in needed if column not in raw]
    if missing:
        present = ", ".join(str(column) for column in raw) or "no field"
        return [explain(f"{missing[0]}: the field is missing", got=present, allowed=", ".join(needed))]
    row = _renamed(raw, dataset, "row")
    return [*_schema_faults(row), *_text_faults(row, check), *_word_faults(row, dataset)]


def _text_faults(row: Mapping[str, Any], check: Callable[[object], str]) -> list[str]:
    faults = []
    for field in ("text", "target"):
        if field == "target" and not (isinstance(row[field], str) and row[field]):
            continue  # the schema has refused it
        try:
            check(row[field])
        except InputError as error:
            faults.append(f"{field}: {error}")
    return faults


def _word_faults(row: Mapping[str, Any], dataset: Dataset) -> list[str]:
    """The first label and the first tag that are none; what is no string at all the schema has refused."""
    faults = []
    for field, found in {"label": [row["label"]], "coders": row["coders"], "tags": row["tags"]}.items():
        kind, allowed = ("tag", TAGS) if field == "tags" else ("label", list(dataset.labels))
        words = [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
        unknown = [one for one in words if one not in allowed][:1]
        faults += [
            explain(f"{field}: the {kind} is unknown", got=one, allowed=nearest(one, allowed)) for one in unknown
        ]
    return faults


def _schema_faults(row: Mapping[str, Any]) -> list[str]:
    try:
        Example.model_validate(row)
    except ValidationError as error:
        return [
            explain(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}", got=fault["input"])
            for fault in error.errors()
            if fault["loc"][0] != "text"
        ]
    return []
