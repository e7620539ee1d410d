"""What the corpus teaches: learning curves, each register, noise, soft labels, the price of not being real.

Why: rows are cheap to count and hard to judge; only a fit tells whether they teach. Every model is the pipeline's own,
fitted on a part of the prepared training split and scored on the corpus' test split; where a folder of real labelled
sentences is named, on its `dev.jsonl` as well. Its `train.jsonl` is for the upper bound and teaches no shipped model.

    python benchmarks/corpus.py --real FOLDER --json corpus.json      after `dvc repro`; an hour on two cores
    python benchmarks/corpus.py --parts curve,noise                   some of it
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from stancemap import heads
from stancemap.config import Bootstrap, Dataset, Model
from stancemap.kinds import build
from stancemap.likeness import told_apart
from stancemap.metrics import Scored, interval, macro_f1, resamples, with_interval
from stancemap.models.base import StanceModel
from stancemap.models.embedding import Embedding
from stancemap.noise import damage
from stancemap.prepared import columns_of, load_prepared
from stancemap.project import require
from stancemap.repair import repair
from stancemap.schema import read
from stancemap.stages.evaluate import scored_by
from stancemap.training import lessons

Columns = dict[str, list[Any]]
MODELS = ("ngram", "embedding-mpnet")
SIZES = (250, 500, 1000, 2000, 4000, 8000)
NOISES = (0.0, 0.5)
HOW = Bootstrap(resamples=1000)
SEED = 20261123
PROJECT = require(Path(__file__).resolve().parent)


class Remembered:
    """An encoder that keeps what it has encoded: the same texts are asked for again and again here."""

    known: dict[str, Any] = {}  # noqa: RUF012 - shared by all on purpose: one encoder is used

    def __init__(self, encoder: Any) -> None:
        self.encoder, self.width = encoder, encoder.width

    def encode(self, texts: Any) -> Any:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        for start in range(0, len(new), 256):
            part = new[start : start + 256]
            self.known.update(zip(part, self.encoder.encode(part), strict=True))
            if len(new) > 256:
                print(f"\rencoded {start + len(part):,} of {len(new):,}", end="", file=sys.stderr)
        vectors = [self.known[text] for text in texts]
        return np.stack(vectors) if vectors else np.zeros((0, self.width), dtype=np.float32)


def remember() -> None:
    """Let every embedding model share its vectors."""
    opened = Embedding._open_encoder

    def open_encoder(model: Embedding) -> None:
        opened(model)
        model.sentences_ = Remembered(model.sentences_)

    Embedding._open_encoder = open_encoder
    Embedding._cached = lambda model, texts: model.sentences_.encode(texts)


@contextmanager
def uncalibrated() -> Iterator[None]:
    """Fit heads once instead of six times: a temperature changes no label, and macro-F1 sees labels only."""
    whole = heads.cross_validated
    heads.cross_validated = lambda estimator, features, y, *_: np.eye(int(y.max()) + 1)[y]
    try:
        yield
    finally:
        heads.cross_validated = whole


def fitted(name: str, rows: Columns, **changes: Any) -> StanceModel:
    path = PROJECT.model_file(name)
    config = read(path, Model).model_copy(update=changes)
    model = build(config.kind, config.params, str(path))
    told = lessons(rows, config, SEED)
    dataset = read(PROJECT.dataset_file("withdrawal"), Dataset)
    return model.fit(told, told["label"], classes=dataset.classes)


def taken(rows: Columns, chosen: Any) -> Columns:
    return {key: [values[index] for index in chosen] for key, values in rows.items()}


def joined(*parts: Columns) -> Columns:
    keys = set.intersection(*(set(part) for part in parts))
    return {key: [value for part in parts for value in part[key]] for key in sorted(keys)}


def real(path: Path) -> Columns:
    """Rows of a labelled JSONL file, as a prepared split holds them; one without a document is its own."""
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {
        "id": [row["id"] for row in found],
        "text": [repair(row["text"]).text for row in found],
        "target": [row["target"] for row in found],
        "label": [row["label"] for row in found],
        "document": [row.get("document") or row["id"] for row in found],
        "coders": [[] for _ in found],
        "weight": [1.0] * len(found),
        "register": [path.stem] * len(found),
    }


def damaged(rows: Columns) -> Columns:
    random = np.random.default_rng(SEED)
    return {**rows, "text": [repair(damage(text, random).text).text for text in rows["text"]]}


def subsets(rows: Columns) -> Iterator[tuple[int, Columns]]:
    """Nested subsets of whole documents in random order."""
    documents = np.array(rows["document"])
    order = np.random.default_rng(SEED).permutation(np.unique(documents))
    place = {document: number for number, document in enumerate(order)}
    ranked = np.argsort([place[document] for document in documents], kind="stable")
    for size in (*(size for size in SIZES if size < len(ranked)), len(ranked)):
        yield size, taken(rows, ranked[:size])


def curve(train: Columns, judges: dict[str, Columns], **_: Any) -> Iterator[dict[str, Any]]:
    for size, rows in subsets(train):
        for name in MODELS:
            yield {"rows": size, "model": name, **scores(fitted(name, rows), judges)}


def registers(train: Columns, judges: dict[str, Columns], **_: Any) -> Iterator[dict[str, Any]]:
    """The whole, then without each policy register and each other family: what it loses is what those rows carried."""
    name = "embedding-mpnet"
    whole = {judge: scored_by(fitted(name, train), rows) for judge, rows in judges.items()}
    family = [family_of(register) for register in train["register"]]
    for out in sorted(set(family)):
        kept = [index for index, one in enumerate(family) if one != out]
        model = fitted(name, taken(train, kept))
        row: dict[str, Any] = {"without": out, "rows": len(train["id"]) - len(kept)}
        for judge, rows in judges.items():
            row[judge] = gap(whole[judge], scored_by(model, rows))
        yield row


def family_of(register: str) -> str:
    """A policy register is its own; the plain ones are one family, the fine ones another."""
    return register if register.startswith("policy") else "plain" if register.startswith("plain") else "fine"


def price(train: Columns, judges: dict[str, Columns], more: Columns | None) -> Iterator[dict[str, Any]]:
    """The same model trained on real rows, on ours, on as many of ours, and on both."""
    if more is None:
        return
    few = next(rows for size, rows in reversed(list(subsets(train))) if size <= len(more["id"]))
    for name in MODELS:
        for what, rows in {"real": more, "as many of ours": few, "ours": train, "both": joined(train, more)}.items():
            yield {"trained on": what, "rows": len(rows["id"]), "model": name, **scores(fitted(name, rows), judges)}


def noise(train: Columns, judges: dict[str, Columns], **_: Any) -> Iterator[dict[str, Any]]:
    judges = {**judges, **{f"{judge}, damaged": damaged(rows) for judge, rows in judges.items()}}
    for name in MODELS:
        for share in NOISES:
            yield {"noise": share, "model": name, **scores(fitted(name, train, noise=share), judges)}


def soft(train: Columns, judges: dict[str, Columns], **_: Any) -> Iterator[dict[str, Any]]:
    for name in MODELS:
        for told in (True, False):
            yield {"soft labels": told, "model": name, **scores(fitted(name, train, soft=told), judges)}


def families(train: Columns, judges: dict[str, Columns], **_: Any) -> Iterator[dict[str, Any]]:
    """How well each family of registers is told from the real sentences, and what it teaches alone."""
    real_ones = [rows for judge, rows in judges.items() if judge.startswith("real")]
    if not real_ones:
        return
    encode = fitted("embedding-mpnet", taken(train, range(300))).sentences_.encode
    theirs = real_ones[0]
    kinds = [family_of(register) for register in train["register"]]
    members = {family: {family} for family in sorted(set(kinds))}
    members |= {"policy": {kind for kind in kinds if kind.startswith("policy")}, "all": set(kinds)}
    for family, among in members.items():
        rows = taken(train, [index for index, kind in enumerate(kinds) if kind in among])
        documents = [*(f"our {one}" for one in rows["document"]), *(f"real {one}" for one in theirs["document"])]
        bags = CountVectorizer(binary=True, min_df=3, ngram_range=(1, 2)).fit([*rows["text"], *theirs["text"]])
        by_words = told_apart(bags.transform(rows["text"]), bags.transform(theirs["text"]), documents, SEED)
        last = [encode(texts)[:, :768] for texts in (rows["text"], theirs["text"])]
        row = {"family": family, "rows": len(rows["id"]), "AUC, words": f"{by_words:.3f}"}
        row["AUC, vectors"] = f"{told_apart(*last, documents, SEED):.3f}"
        yield {**row, **scores(fitted("embedding-mpnet", rows), judges)}


PARTS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "curve": curve,
    "registers": registers,
    "price": price,
    "noise": noise,
    "soft": soft,
    "families": families,
}


def scores(model: StanceModel, judges: dict[str, Columns]) -> dict[str, Any]:
    return {judge: worth(scored_by(model, rows), macro_f1) for judge, rows in judges.items()}


def worth(scored: Scored, metric: Callable[[Scored], float]) -> dict[str, float]:
    return with_interval(scored, metric, HOW, SEED)


def gap(whole: Scored, less: Scored) -> dict[str, float]:
    """The macro-F1 of the whole minus that of less, with the interval of a paired bootstrap of documents."""
    drawn = [macro_f1(whole.take(rows)) - macro_f1(less.take(rows)) for rows in resamples(whole.documents, HOW, SEED)]
    low, high = interval(drawn, HOW.level)
    return {"value": macro_f1(whole) - macro_f1(less), "low": low, "high": high}


def shown(rows: list[dict[str, Any]]) -> str:
    """A Markdown table."""

    def cell(value: Any) -> str:
        if isinstance(value, dict):
            return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
        return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)

    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([cell(row[key]) for key in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, help="a folder with dev.jsonl and train.jsonl of real labelled sentences")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    asked = parser.parse_args()
    unknown = [part for part in asked.parts.split(",") if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    remember()
    prepared = load_prepared(PROJECT, "withdrawal")
    train, test = (columns_of(prepared[split]) for split in ("train", "test"))
    judges = {f"test (n = {len(test['id']):,})": test}
    if asked.real:
        dev = real(asked.real / "dev.jsonl")
        judges[f"real dev (n = {len(dev['id']):,})"] = dev
    more = real(asked.real / "train.jsonl") if asked.real else None
    found = {}
    for part in asked.parts.split(","):
        found[part] = []
        with uncalibrated():
            for row in PARTS[part](train, judges, more=more):
                found[part].append(row)
                print(json.dumps({part: row}), file=sys.stderr, flush=True)
                if asked.json:
                    asked.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        print(f"\n## {part}\n{shown(found[part])}" if found[part] else f"\n## {part}\nneeds --real", flush=True)


if __name__ == "__main__":
    sys.exit(main())
