"""Write the numbers of data/withdrawal/README.md, the data card, from the corpus, or check that they are up to date.

    python -m tools.card            rewrite the numbers
    python -m tools.card --check    exit with 1 if any is stale
A number or table stands between <!-- NAME --> and <!-- /NAME -->. To add one, add a function of that name to PARTS.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stancemap.agreement import Agreement, by_slice
from stancemap.checks import as_rows, tables
from stancemap.config import Dataset
from stancemap.datasets.base import read_raw
from stancemap.examples import Example, parse_rows
from stancemap.repair import check_text, repair
from stancemap.schema import read
from tools.readme import filled, renew

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "data" / "withdrawal"
Cells = list[list[str]]


@dataclass(frozen=True)
class Corpus:
    """The examples, their repaired texts and targets, and the dataset's config."""

    examples: list[Example]
    texts: list[str]
    targets: list[str]
    dataset: Dataset


def corpus() -> Corpus:
    """The corpus as `prepare` reads it."""
    dataset = read(ROOT / "configs" / "datasets" / "withdrawal.yaml", Dataset)
    examples = parse_rows(read_raw(dataset, FOLDER), dataset, check_text)
    texts, targets = ([repair(getattr(one, key)).text for one in examples] for key in ("text", "target"))
    return Corpus(examples, texts, targets, dataset)


def prefix(example: Example) -> str:
    """What the ids of a register have in common."""
    match = re.match(r".+?(?=[-_]\d)", example.id)
    return match[0] if match else example.id


def files(found: Corpus) -> str:
    """The registers, with their rows by label and coders."""
    names = sorted({example.source for example in found.examples})
    body = [_counted(name, [one for one in found.examples if one.source == name], found) for name in names]
    head = ["register", "ids", "rows", "documents", "pro", "anti", "neutral", "coded twice"]
    return _drawn([head, *body, ["all", "", *_counted("all", found.examples, found)[2:]]], left=2)


def _counted(name: str, some: list[Example], found: Corpus) -> list[str]:
    labels = Counter(one.label for one in some)
    counts = [len(some), len({one.document for one in some}), *(labels[label] for label in found.dataset.classes)]
    counts.append(sum(len(one.coders) > 1 for one in some))
    return [f"`{name}`", f"`{prefix(some[0])}`", *(f"{count:,}" for count in counts)]


def size(found: Corpus) -> str:
    """Rows, documents and targets in a sentence."""
    documents, targets = ({getattr(one, key) for one in found.examples} for key in ("document", "target"))
    return f"{len(found.examples):,} rows in {len(documents):,} documents, {len(targets):,} wordings of a target"


def coders(found: Corpus) -> str:
    """How many rows were coded twice and more, and how many of them differently."""
    one = by_slice(found.examples)["", "all"]
    more = sum(len(example.coders) > 2 for example in found.examples)
    settled = sum(bool(example.coders) and example.label != example.coders[0] for example in found.examples)
    return (
        f"{one.n:,} rows by two readers or more ({more:,} by three to five), {one.differ:,} of them with more than one "
        "label; "
        f"Krippendorff's alpha {one.alpha:.3f}; {settled} rows carry another label than their writer's"
    )


def slices(found: Corpus) -> str:
    """Agreement by label, genre and tag."""
    wanted = ("label", "genre", "tag")
    body = [
        [f"{kind} {name}", *_shown(one)]
        for (kind, name), one in sorted(by_slice(found.examples).items())
        if kind in wanted
    ]
    return _drawn([["rows", "n", "agree", "alpha"], *body], left=1)


def _shown(one: Agreement) -> list[str]:
    return [f"{one.n:,}", f"{one.share:.1%}", "–" if one.alpha is None else f"{one.alpha:.3f}"]


def cues(found: Corpus) -> str:
    """The share of each label among the rows with a cue word, a negation, no holder."""
    table, _ = tables(as_rows(found.examples, found.texts, found.targets), found.dataset.classes, found.dataset.audit)
    return _drawn([[cell.replace("|", "\\|") for cell in row[:5]] for row in table.rows], left=1)


def lengths(found: Corpus) -> str:
    """Words by label."""
    _, table = tables(as_rows(found.examples, found.texts, found.targets), found.dataset.classes, found.dataset.audit)
    return _drawn([list(row) for row in table.rows], left=1)


PARTS: dict[str, Callable[[Corpus], str]] = {
    "size": size,
    "files": files,
    "coders": coders,
    "agreement": slices,
    "cues": cues,
    "lengths": lengths,
}


def written(text: str, found: Corpus) -> str:
    """A data card with all of its numbers made anew."""
    return filled(text, {name: make(found) for name, make in PARTS.items()}, "the data card")


def main(arguments: list[str]) -> int:
    """Rewrite or check the data card."""
    return renew(FOLDER / "README.md", lambda text: written(text, corpus()), "python -m tools.card", arguments)


def _drawn(rows: Cells, left: int) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["", head, "|" + " --- |" * left + " ---: |" * (len(rows[0]) - left), *body, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
