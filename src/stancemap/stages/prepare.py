"""`prepare`: repair, validate, find duplicates, split. What every later stage may rely on is established here."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stancemap.bundle import replacing, write_json
from stancemap.checks import as_rows, breaches
from stancemap.config import Dataset, Pipeline
from stancemap.datasets.base import read_raw
from stancemap.errors import ConfigError, DataError, explain, nearest
from stancemap.examples import Example, parse_rows
from stancemap.metrics import check_metric
from stancemap.prepared import AUDIT
from stancemap.progress import task
from stancemap.project import Project
from stancemap.repair import Repaired, check_text, repair
from stancemap.schema import read
from stancemap.splits import NAMES, groups_of, leaks, near_duplicates, split_rows

Pair = tuple[int, int, float]


def prepare(project: Project, name: str) -> dict[str, Any]:
    """Turn a dataset's raw files into `data/prepared/NAME/{train,validation,test}.parquet` and `audit.json`.

    Returns
    -------
    dict
        The audit: counts, lengths, mends, duplicates, and the leakage check.

    Raises
    ------
    ConfigError
        When a config is wrong: an unknown metric, a weight that fits no register.
    DataError
        When a row is wrong, the same text and target stand twice, a bound of `audit` in the dataset's config is
        broken, or the corpus is too small to split.
    """
    pipeline = read(project.pipeline_file, Pipeline)
    check_metric(pipeline.metric, project.pipeline_file)  # now, not after hours of fitting
    dataset = read(project.dataset_file(name), Dataset)
    with task(f"reading {name}"):
        examples = parse_rows(read_raw(dataset, project.raw(name)), dataset, check_text)
        mended = [repair(example.text) for example in examples]
        targets = [repair(example.target).text for example in examples]
    texts = [one.text for one in mended]
    _refuse_twins(examples, texts, targets)
    with task("finding near-duplicates"):
        pairs = near_duplicates(texts, pipeline.duplicates)
    _refuse_shortcuts(examples, texts, targets, pairs, dataset)
    groups = groups_of([example.document for example in examples], pairs)
    parts = split_rows([example.label for example in examples], groups, pipeline.split, pipeline.seed)
    weights = _weights(examples, dataset, project.dataset_file(name))
    rows = [_row(*one) for one in zip(examples, mended, targets, weights, strict=True)]
    audit = {
        **_counts(examples, parts),
        "words": _words(examples, texts),
        "mends": dict(Counter(mend for one in mended for mend in one.mends).most_common()),
        "duplicates": _duplicates(examples, texts, pairs),
        "groups": len(set(groups.tolist())),
        "leakage": leaks(parts, groups),
    }
    with replacing(project.prepared(name)) as folder:
        _write(folder, rows, parts, dataset)
        write_json(folder / AUDIT, audit)
    return audit


def _row(example: Example, mended: Repaired, target: str, weight: float) -> dict[str, Any]:
    return {
        **example.model_dump(),
        "text": mended.text,
        "raw_text": mended.raw,
        "mends": list(mended.mends),
        "target": target,
        "register": example.source,
        "weight": weight,
    }


def _weights(examples: Sequence[Example], dataset: Dataset, where: Path) -> list[float]:
    """What each row counts in training: the weight of the first pattern that fits its register, else 1."""
    registers = sorted({example.source for example in examples})
    first = {
        register: next((pattern for pattern in dataset.weights if fnmatch.fnmatch(register, pattern)), None)
        for register in registers
    }
    idle = [pattern for pattern in dataset.weights if pattern not in first.values()]
    if idle:
        wrong = f"{where}: weights: the pattern is the first to fit no register"
        then = "Mend it, or put it before a wider one"
        raise ConfigError(explain(wrong, got=idle[0], allowed=nearest(idle[0], registers), then=then))
    return [dataset.weights.get(first[example.source] or "", 1.0) for example in examples]


def _refuse_shortcuts(
    examples: Sequence[Example], texts: Sequence[str], targets: Sequence[str], pairs: Sequence[Pair], dataset: Dataset
) -> None:
    """A corpus whose labels show in something that is no stance is a fault of data, as a wrong row is."""
    if faults := breaches(as_rows(examples, texts, targets), pairs, dataset.audit):
        raise DataError("\n".join(faults))


def _refuse_twins(examples: Sequence[Example], texts: Sequence[str], targets: Sequence[str]) -> None:
    """The same text may stand twice only with two targets."""
    seen: dict[tuple[str, str], Example] = {}
    faults = []
    for example, text, target in zip(examples, texts, targets, strict=True):
        twin = seen.setdefault((text, target), example)
        if twin is not example:
            relation = "with another label" if twin.label != example.label else "with the same label"
            faults.append(explain(f"{example.id} repeats the text and target of {twin.id} {relation}", got=text))
    if faults:
        raise DataError("\n".join([*faults[:20], "Drop one row of each pair."]))


def _counts(examples: Sequence[Example], parts: Sequence[str]) -> dict[str, Any]:
    def by(key: str, among: Sequence[Example]) -> dict[str, int]:
        return dict(Counter(str(getattr(example, key)) for example in among).most_common())

    coded = [example for example in examples if len(example.coders) > 1]
    return {
        "rows": len(examples),
        "documents": len({example.document for example in examples}),
        "label": by("label", examples),
        "split": {
            name: by("label", [example for example, part in zip(examples, parts, strict=True) if part == name])
            for name in NAMES
        },
        "target": by("target", examples),
        "genre": by("genre", examples),
        "tag": dict(Counter(tag for example in examples for tag in example.tags).most_common()),
        "coded_twice": {"rows": len(coded), "disagree": sum(len(set(example.coders)) > 1 for example in coded)},
    }


def _words(examples: Sequence[Example], texts: Sequence[str]) -> dict[str, dict[str, int]]:
    """Quantiles of the number of words, in all and by label."""
    lengths = np.array([len(text.split()) for text in texts])
    labels = np.array([example.label for example in examples])
    marks = {"min": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "max": 1.0}
    among = {"all": lengths, **{str(label): lengths[labels == label] for label in sorted(set(labels.tolist()))}}
    return {key: {mark: int(np.quantile(some, q)) for mark, q in marks.items()} for key, some in among.items()}


def _duplicates(examples: Sequence[Example], texts: Sequence[str], pairs: Sequence[Pair]) -> dict[str, Any]:
    exact = [pair for pair in pairs if texts[pair[0]] == texts[pair[1]]]
    conflicts = [
        [examples[left].id, examples[right].id, cosine]
        for left, right, cosine in pairs
        if examples[left].target == examples[right].target and examples[left].label != examples[right].label
    ]
    return {"near_pairs": len(pairs), "same_text_two_targets": len(exact), "near_with_other_label": conflicts}


def _write(folder: Path, rows: Sequence[dict[str, Any]], parts: Sequence[str], dataset: Dataset) -> None:
    """One Parquet file for each part, carrying the features that `datasets` restores."""
    from datasets import ClassLabel, Features, List, Value, disable_progress_bars
    from datasets import Dataset as Rows

    disable_progress_bars()

    text, texts = Value("string"), List(Value("string"))
    schema = {"id": text, "text": text, "raw_text": text, "mends": texts, "target": text}
    schema |= {"label": ClassLabel(names=list(dataset.classes)), "holder": text, "document": text}
    schema |= {"genre": text, "tags": texts, "coders": texts, "register": text, "weight": Value("float64")}
    features = Features(schema)
    for name in NAMES:
        chosen = [row for row, part in zip(rows, parts, strict=True) if part == name]
        columns = {key: [row[key] for row in chosen] for key in features}
        Rows.from_dict(columns, features=features).to_parquet(folder / f"{name}.parquet")
