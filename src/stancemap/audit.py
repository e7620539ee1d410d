"""What a corpus is worth before any model is fitted: the tables that `stancemap audit` shows.

Why: in this project the data is the program, and its faults are found by counting, not by reading on. Each function
here gives one `Table`; to add one, write it and name it in `audit`.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from stancemap.agreement import Agreement, by_slice
from stancemap.bundle import read_bundle, read_json
from stancemap.checks import Row, Table, as_rows, breaches, tables
from stancemap.config import Dataset, Pipeline
from stancemap.datasets.base import read_raw
from stancemap.errors import DataError, InputError, explain
from stancemap.examples import Example, parse_rows
from stancemap.likeness import likeness_tables
from stancemap.metrics import macro_f1, with_interval
from stancemap.progress import task
from stancemap.project import Project
from stancemap.repair import check_text, repair
from stancemap.report import cell
from stancemap.runtime import GRAPH
from stancemap.schema import read
from stancemap.shortcuts import VIEWS, Columns, out_of_fold, suspects
from stancemap.splits import near_duplicates
from stancemap.threads import pinned

SHOWN = 15  # pairs and suspects listed
TOKENS = 2000  # of a genre's words compared: distinct-n falls with length


@dataclass(frozen=True)
class Audit:
    """The tables, and what breaks the bounds of the dataset's config."""

    title: str
    tables: tuple[Table, ...]
    breaches: tuple[str, ...]


def audit(project: Project, name: str, beside: Sequence[tuple[str, Mapping[str, Any]]] | None = None) -> Audit:
    """Count everything in a corpus that could give its labels away; nothing is written.

    Parameters
    ----------
    project : Project
        Where the configs and the raw files lie.
    name : str
        The dataset; it need not be prepared.
    beside : sequence of (str, mapping), optional
        Other text to compare with: what errors call a row, and the row with its `text`, and `document` where several
        belong together.

    Raises
    ------
    ConfigError
        When a config is wrong.
    DataError
        When a row is wrong, a label has none, or there is too little text to compare.
    InputError
        When a text of `beside` cannot be used.
    """
    pipeline = read(project.pipeline_file, Pipeline)
    dataset = read(project.dataset_file(name), Dataset)
    with task(f"reading {name}"):
        examples = parse_rows(read_raw(dataset, project.raw(name)), dataset, check_text)
    _refuse_lacking(name, examples, dataset)
    other = None if beside is None else _other(beside)
    texts, targets = ([repair(getattr(one, key)).text for one in examples] for key in ("text", "target"))
    rows = as_rows(examples, texts, targets)
    with task("finding near-duplicates"):
        pairs = near_duplicates(texts, pipeline.duplicates)
    columns: Columns = {"id": [one.id for one in examples], "text": texts}
    columns |= {key: [getattr(one, key) for one in examples] for key in ("label", "holder", "document")}
    columns["target"] = targets
    with pinned(pipeline.threads):
        found = (
            *tables(rows, dataset.classes, dataset.audit),
            *_unread(columns, dataset, pipeline, best_model(project, name)),
            _agreement(by_slice(examples)),
            _diversity(examples, texts),
            _near(rows, pairs),
        )
        if other is not None:
            ours = list(zip(texts, columns["document"], strict=True))
            with task("comparing with the other text"):
                found += likeness_tables([ours, other], dataset.audit.cues, _encoder(project, name), pipeline.seed)
    return Audit(f"{dataset.title}: {len(rows):,} rows", found, tuple(breaches(rows, pairs, dataset.audit)))


def _refuse_lacking(name: str, examples: Sequence[Example], dataset: Dataset) -> None:
    """Shares and scores of labels need rows of each."""
    lacking = [label for label in dataset.classes if label not in {example.label for example in examples}]
    if lacking:
        wrong = f"The dataset {name} has no row with the label {lacking[0]}"
        raise DataError(explain(wrong, then="Add rows that carry it"))


def _other(beside: Sequence[tuple[str, Mapping[str, Any]]]) -> list[tuple[str, str]]:
    """Texts, repaired, with their documents; a row without one is a document by itself."""
    found = []
    for number, (where, row) in enumerate(beside, start=1):
        try:
            text = repair(check_text(row.get("text"))).text
        except InputError as error:
            raise InputError(f"{where}{error}") from None
        document = row.get("document")
        found.append((text, f"row {number}" if document is None or document == "" else str(document)))
    return found


def _encoder(project: Project, name: str) -> Path | None:
    """The folder of a fitted model with an encoder; the best one if it has."""
    folders = [path.parent for path in sorted(project.model(name, "any").parent.glob(f"*/{GRAPH}"))]
    best = best_model(project, name)
    for folder in folders:
        read_bundle(folder)  # a file cut short is told as such
    return next((folder for folder in folders if best and folder.name == best[0]), folders[-1] if folders else None)


def best_model(project: Project, name: str) -> tuple[str, int, str] | None:
    """The model that `select` chose, its n and macro-F1 on test; None before the first `dvc repro`."""
    selection = project.reports(name) / "selection.json"
    if not selection.is_file():
        return None
    try:
        chosen = str(read_json(selection)["champion"])
        found = read_json(project.report(name, chosen) / "metrics.json")["test"]
        return chosen, int(found["n"]), cell(found["macro_f1"])
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            explain(f"{selection} and the reports beside it cannot be read", then="Run `dvc repro`")
        ) from None


def _unread(
    columns: Columns, dataset: Dataset, pipeline: Pipeline, best: tuple[str, int, str] | None
) -> Iterator[Table]:
    """The scores of the views, and the suspects by the last of them."""
    body = []
    for view, features in VIEWS.items():
        with task(f"scoring {view}"):
            scored = out_of_fold(columns, features(columns), dataset.classes, pipeline.seed)
            found = with_interval(scored, macro_f1, pipeline.bootstrap, pipeline.seed)
        body.append((view, f"{len(scored.y):,}", cell(found)))
    if best is not None:
        body.append((f"for comparison, on test: {best[0]}", f"{best[1]:,}", best[2]))
    note = (
        "Macro-F1 out of fold, documents kept whole, of a linear model that sees no more than is named. Chance: 0.33."
    )
    yield Table("How far one gets without reading", note, (("what is seen", "n", "macro-F1"), *body))
    with task("looking for wrong labels"):
        ranked = suspects(scored)
    listed = [
        (columns["id"][row], columns["label"][row], f"{given:.2f}", columns["text"][row])
        for row, given in ranked[:SHOWN]
    ]
    note = f"Confident learning names {len(ranked):,} rows that the bag of words contradicts; hard rows are among them."
    yield Table("Suspects", note, (("id", "label", "given", "text"), *listed))


def _agreement(found: dict[tuple[str, str], Agreement]) -> Table:
    body = [
        (
            " ".join(name).strip(),
            f"{one.n:,}",
            f"{one.differ:,}",
            f"{one.share:.1%}",
            "–" if one.alpha is None else f"{one.alpha:.3f}",
        )
        for name, one in sorted(found.items())
    ]
    note = "Of rows that two coders read. Alpha is Krippendorff's; within one label there is little to tell apart."
    return Table("Agreement", note, (("rows", "n", "differ", "agree", "alpha"), *body))


def _diversity(examples: Sequence[Example], texts: Sequence[str]) -> Table:
    """Distinct bigrams (Li et al. 2016, "A Diversity-Promoting Objective Function") among equally many words."""
    genres: dict[str, list[str]] = defaultdict(list)
    for example, text in zip(examples, texts, strict=True):
        genres[example.genre or "no genre"].append(text)
    body = []
    for genre, some in sorted(genres.items()):
        words = " ".join(random.Random(0).sample(some, len(some))).casefold().split()[:TOKENS]  # noqa: S311 - no secret
        pairs = Counter(pairwise(words))
        lacking = "" if len(words) == TOKENS else f" ({len(words):,} words)"
        body.append((genre, f"{len(some):,}", f"{len(pairs) / max(pairs.total(), 1):.3f}{lacking}"))
    note = f"Distinct pairs of words among all pairs, in {TOKENS:,} words of each genre; templates make it low."
    return Table("Diversity", note, (("genre", "rows", "distinct-2"), *body))


def _near(rows: Sequence[Row], pairs: Sequence[tuple[int, int, float]]) -> Table:
    def kind(left: Row, right: Row) -> str:
        if left.target != right.target:
            return "two targets"
        return "one target, two labels" if left.label != right.label else "same target and label"

    named = [(kind(rows[left], rows[right]), rows[left], rows[right], cosine) for left, right, cosine in pairs]
    counts = ", ".join(f"{count} with {name}" for name, count in Counter(name for name, *_ in named).most_common())
    worst = sorted(named, key=lambda one: (one[0] != "same target and label", -one[3]))[:SHOWN]
    body = [(name, left.id, right.id, f"{cosine:.2f}", left.text) for name, left, right, cosine in worst]
    note = f"Pairs of texts by the cosine of character n-grams: {counts or 'none'}."
    return Table("Near-duplicates", note, (("kind", "id", "and", "cosine", "text"), *body))
