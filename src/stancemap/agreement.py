"""How far two readers agree, and on what they differ.

Why: the label of a row that two people read differently is an opinion, and a corpus without such rows is too easy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stancemap.examples import Example

SMALLEST = 30  # rows of a slice worth a number


@dataclass(frozen=True)
class Agreement:
    """`alpha` is Krippendorff's, for nominal labels (Krippendorff 2011); None where all coders say the same."""

    n: int
    differ: int
    alpha: float | None

    @property
    def share(self) -> float:
        """The share of rows on which all coders agree."""
        return 1 - self.differ / self.n if self.n else 1.0


def agreement(coders: Sequence[Sequence[str]]) -> Agreement:
    """The agreement of coders over rows that at least two of them read; some rows may have more coders.

    Examples
    --------
    >>> agreement([["pro", "pro"], ["anti", "anti"], ["pro", "neutral"], ["neutral", "neutral"]]).differ
    1
    """
    from krippendorff import alpha

    coders = [row for row in coders if len(row) > 1]
    names = sorted({label for row in coders for label in row})
    differ = sum(len(set(row)) > 1 for row in coders)
    if len(names) < 2:
        return Agreement(len(coders), differ, None)
    votes = [[row.count(name) for name in names] for row in coders]
    return Agreement(len(coders), differ, float(alpha(value_counts=votes, level_of_measurement="nominal")))


def by_slice(examples: Iterable[Example]) -> dict[tuple[str, str], Agreement]:
    """The agreement of all rows with two coders, and of each label, genre, register and tag with enough of them."""
    coded = [example for example in examples if len(example.coders) > 1]
    slices: dict[tuple[str, str], list[Sequence[str]]] = defaultdict(list)
    kinds: dict[str, Callable[[Example], Sequence[str | None]]] = {
        "": lambda _: ["all"],
        "label": lambda example: [example.label],
        "register": lambda example: [example.source],
        "genre": lambda example: [example.genre],
        "tag": lambda example: example.tags,
    }
    for kind, values in kinds.items():
        for example in coded:
            for value in values(example):
                if value:
                    slices[kind, value].append(example.coders)
    return {name: agreement(rows) for name, rows in slices.items() if len(rows) >= SMALLEST or name[0] == ""}
