"""Whether a label shows in something that is no stance: a cue word, a negation, a missing holder, the length.

Why: what is easy to count a model learns first, and a score on such a corpus says nothing (Gururangan et al. 2018,
"Annotation Artifacts in Natural Language Inference Data"). `stancemap audit` shows the counts, and `prepare` refuses
a corpus that breaks the bounds in its dataset's config.
To add a check, add what it counts to `tables` and what it refuses to `breaches`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from stancemap.config import Bounds
from stancemap.errors import explain
from stancemap.examples import Example

NEGATION: Final = re.compile(
    r"\b(?:not|no|never|none|nor|neither|nobody|nothing|without|cannot)\b|n['’]t\b", re.IGNORECASE
)
LISTED: Final = 20  # rows named in an error


@dataclass(frozen=True)
class Row:
    """What the checks look at of one example, its text repaired."""

    id: str
    text: str
    target: str
    label: str
    holder: str | None


def as_rows(examples: Sequence[Example], texts: Sequence[str], targets: Sequence[str]) -> list[Row]:
    """Examples, with their repaired texts and targets, as the checks look at them."""
    return [
        Row(example.id, text, target, example.label, example.holder)
        for example, text, target in zip(examples, texts, targets, strict=True)
    ]


@dataclass(frozen=True)
class Group:
    """The rows that share a mark, and the bound on the largest share of one label among them."""

    name: str
    rows: tuple[Row, ...]
    bound: float
    key: str  # of the bound, in the section `audit` of the dataset's config

    @property
    def counts(self) -> Counter[str]:
        """How many rows each label has."""
        return Counter(row.label for row in self.rows)


@dataclass(frozen=True)
class Table:
    """A table to show: its title, what it means, and its rows, of which the first is the header."""

    title: str
    note: str
    rows: tuple[tuple[str, ...], ...]


def groups(rows: Sequence[Row], bounds: Bounds) -> list[Group]:
    """The rows with each cue word, those with a negation, and those without a holder."""
    cues = {cue: re.compile(rf"\b(?:{cue})\b", re.IGNORECASE) for cue in bounds.cues}
    found = [
        Group(cue, tuple(row for row in rows if pattern.search(row.text)), bounds.cue_share, "cue_share")
        for cue, pattern in cues.items()
    ]
    negated = tuple(row for row in rows if NEGATION.search(row.text))
    silent = tuple(row for row in rows if row.holder is None)
    found.append(Group("negation", negated, bounds.negation_share, "negation_share"))
    return [*found, Group("no holder", silent, bounds.null_holder_share, "null_holder_share")]


def tables(rows: Sequence[Row], classes: Sequence[str], bounds: Bounds) -> list[Table]:
    """The counts by label of every group, and the lengths by label."""
    base = Counter(row.label for row in rows)
    body = [_shares("all rows", base, classes, None)]
    body += [
        _shares(one.name, one.counts, classes, one.bound if len(one.rows) >= bounds.cue_rows else None)
        for one in groups(rows, bounds)
    ]
    head = ("rows with", "n", *classes, "at most", "kept")
    lengths = {label: [_words(row) for row in rows if row.label == label] for label in classes}
    marks = (5, 25, 50, 75, 95)
    by_label = [
        (label, f"{len(some):,}", *(f"{np.percentile(some, mark):.0f}" if some else "–" for mark in marks))
        for label, some in lengths.items()
    ]
    gap = f"Bound on the distance of two medians: {bounds.length_gap:g}." if bounds.length_gap < 1e9 else ""
    return [
        Table("Cue × label", "Share of each label among the rows with a mark.", (head, *body)),
        Table(
            "Length × label",
            f"Words, at five quantiles. {gap}".strip(),
            (("label", "n", *(f"{m} %" for m in marks)), *by_label),
        ),
    ]


def _shares(name: str, counts: Counter[str], classes: Sequence[str], bound: float | None) -> tuple[str, ...]:
    n = counts.total()
    shares = [counts[label] / n if n else 0.0 for label in classes]
    verdict = ("", "") if bound is None else (f"{bound:.4g}", "yes" if max(shares) <= bound else "NO")
    return (name, f"{n:,}", *(f"{share:.1%}" for share in shares), *verdict)


def _words(row: Row) -> int:
    return len(row.text.split())


def breaches(rows: Sequence[Row], pairs: Sequence[tuple[int, int, float]], bounds: Bounds) -> list[str]:
    """What breaks the bounds of the dataset's config: a sentence for each, with the ids of rows to look at.

    Parameters
    ----------
    rows : sequence of Row
        All rows.
    pairs : sequence of (int, int, float)
        Near-duplicates, as `stancemap.splits.near_duplicates` gives them.
    bounds : Bounds
        The section `audit` of the dataset's config.
    """
    found = [fault for one in groups(rows, bounds) if (fault := _lopsided(one, bounds.cue_rows))]
    return [*found, *_uneven(rows, bounds.length_gap), *_copied(rows, pairs, bounds.near_duplicates)]


def _lopsided(group: Group, least: int) -> str | None:
    if len(group.rows) < least:
        return None
    label, count = group.counts.most_common(1)[0]
    if count / len(group.rows) <= group.bound:
        return None
    wrong = f"{count / len(group.rows):.1%} of the {len(group.rows):,} rows with {group.name!r} are {label}"
    ids = [row.id for row in group.rows if row.label == label]
    return explain(wrong, allowed=f"at most {group.bound:.4g}", then=_then(group.key, ids))


def _uneven(rows: Sequence[Row], gap: float) -> list[str]:
    lengths = {
        label: float(np.median([_words(row) for row in rows if row.label == label]))
        for label in sorted({row.label for row in rows})
    }
    if not lengths:
        return []
    short, long = min(lengths, key=lambda label: lengths[label]), max(lengths, key=lambda label: lengths[label])
    if lengths[long] - lengths[short] <= gap:
        return []
    wrong = f"The median {long} row has {lengths[long]:g} words, the median {short} row {lengths[short]:g}"
    ids = [row.id for row in sorted(rows, key=_words) if row.label == short]
    return [explain(wrong, allowed=f"a difference of at most {gap:g}", then=_then("length_gap", ids))]


def _copied(rows: Sequence[Row], pairs: Sequence[tuple[int, int, float]], most: int) -> list[str]:
    """Near-duplicates with another label are a contrast, with another target a question of its own: both teach."""
    both = [(rows[left], rows[right]) for left, right, _ in pairs]
    ids = [f"{one.id} and {two.id}" for one, two in both if (one.target, one.label) == (two.target, two.label)]
    if len(ids) <= most:
        return []
    wrong = f"{len(ids)} pairs of near-duplicates have the same target and the same label"
    return [explain(wrong, allowed=f"at most {most}", then=_then("near_duplicates", ids))]


def _then(key: str, ids: Sequence[str]) -> str:
    more = f" and {len(ids) - LISTED:,} more" if len(ids) > LISTED else ""
    return f"Rewrite or drop some of {', '.join(ids[:LISTED])}{more}, or mend `audit.{key}` in the dataset's config"
