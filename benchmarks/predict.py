"""Time stancemap's predict() beside torch + transformers with the same weights and the same linear head, in one run.

Why: a time alone says little, and a machine's speed drifts. So every repetition measures all contenders in random
order, on the same texts with as many threads; their answers are compared too; ratios are the result. It asserts nothing.
To add a contender, write a class with `answer` and `vectors`, name it in CONTENDERS, and say in RIVALS whom it meets.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# Every cold start runs this very file, so what only the measuring process needs is imported inside functions.
ROOT = Path(__file__).resolve().parents[1]
CONTENDERS = {
    "stancemap, embedding-mpnet (int8)": ("Stancemap", "embedding-mpnet"),
    "stancemap, embedding-minilm (fp32)": ("Stancemap", "embedding-minilm"),
    "stancemap, ngram": ("Stancemap", "ngram"),
    "torch + transformers, mpnet (fp32)": ("Torch", "embedding-mpnet"),
    "torch + transformers, MiniLM (fp32)": ("Torch", "embedding-minilm"),
}
MPNET, MINILM, NGRAM, TORCH_MPNET, TORCH_MINILM = CONTENDERS
RIVALS = ((MPNET, TORCH_MPNET), (MINILM, TORCH_MINILM), (NGRAM, TORCH_MINILM))
TIMED = ("cold", "single", "batch", "vectors")
HEADINGS = {
    "cold": "cold start, s",
    "single": "one by one, ms a sentence",
    "batch": "all at once, ms a sentence",
    "vectors": "vectors only, ms a sentence",
    "memory": "peak memory, MB",
    "model": "model on disk, MB",
    "installed": "packages imported, MB",
}
PADDED = 32  # texts in one padded batch on torch: the default of sentence-transformers, which also sorts by length
RESAMPLES = 10_000
Values = dict[str, dict[str, list[float]]]


class Stancemap:
    """What this repository offers."""

    def __init__(self, given: dict[str, Any]) -> None:
        from stancemap import load, predict

        self.folder, self.load, self.predict = given["bundle"], load, predict

    def answer(self, texts: list[str], targets: list[str]) -> list[list[float]]:
        return [list(one.probabilities.values()) for one in self.predict(texts, targets, model=self.folder)]

    def vectors(self, texts: list[str]) -> Any:
        return self.load(self.folder).sentences_.encode(texts)


class Torch:
    """What most would write instead: AutoModel, mean pooling, and the head that stancemap's bundle holds."""

    def __init__(self, given: dict[str, Any]) -> None:
        import torch
        from safetensors.numpy import load_file
        from transformers import AutoModel, AutoTokenizer

        torch.set_num_threads(given["threads"])
        self.torch = torch
        self.length = json.loads(Path(given["bundle"], "model.json").read_text())["state"]["max_length"]
        self.head = load_file(Path(given["bundle"], "arrays.safetensors"))
        self.tokenizer = AutoTokenizer.from_pretrained(given["encoder"], local_files_only=True)
        self.model = AutoModel.from_pretrained(given["encoder"], local_files_only=True).eval()

    def vectors(self, texts: list[str]) -> Any:
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        parts = [order[start : start + PADDED] for start in range(0, len(order), PADDED)]
        with self.torch.inference_mode():
            found = self.torch.cat([self._padded([texts[row] for row in part]) for part in parts]).numpy()
        return found[sorted(range(len(order)), key=order.__getitem__)]

    def _padded(self, texts: list[str]) -> Any:
        given = self.tokenizer(texts, padding=True, truncation=True, max_length=self.length, return_tensors="pt")
        mask = given["attention_mask"].unsqueeze(-1)
        pooled = (self.model(**given).last_hidden_state * mask).sum(1) / mask.sum(1)
        return self.torch.nn.functional.normalize(pooled, dim=-1)

    def answer(self, texts: list[str], targets: list[str]) -> list[list[float]]:
        import numpy as np

        row = {text: number for number, text in enumerate(dict.fromkeys([*texts, *targets]))}
        vectors = self.vectors(list(row))
        text, aim = (vectors[[row[entry] for entry in column]] for column in (texts, targets))
        features = np.hstack([text, aim, text * aim * np.float32(np.sqrt(text.shape[1])), np.abs(text - aim)])
        odds = np.exp(features @ self.head["weights"].T + self.head["biases"])
        return (odds / odds.sum(axis=1, keepdims=True)).tolist()


class Inputs:
    """The texts, and where the weights lie; asked in a process of its own, since a parent's memory counts for a child."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given

    def answer(self) -> dict[str, Any]:
        from pyarrow.parquet import read_table
        from stancemap import config, encoders

        found = read_table(self.given["texts"], columns=["text", "target"]).to_pydict()
        for name, bundle in self.given["bundles"].items():
            encoder = json.loads(Path(bundle, "model.json").read_text())["params"]["encoder"]
            about = config.read(ROOT / "configs" / "encoders" / f"{encoder}.yaml", config.Encoder)
            found[name] = str(encoders.find(encoder, about, offline=True))
        return found


def worker() -> None:
    """Be one contender: a job a line on standard input, its seconds and answers a line on standard output."""
    replies, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr  # what libraries print must not spoil the replies
    given = json.loads(sys.stdin.readline())
    contender = globals()[given["class"]](given)
    for line in sys.stdin:
        kind, *columns = json.loads(line)
        started = time.perf_counter()
        if kind == "weight":
            answers: Any = weight()
        elif kind == "single":
            answers = [contender.answer([text], [target])[0] for text, target in zip(*columns, strict=True)]
        elif kind == "vectors":
            answers = len(contender.vectors(columns[0]))
        else:
            answers = contender.answer(*columns)
        print(json.dumps([time.perf_counter() - started, answers]), file=replies, flush=True)


def weight() -> dict[str, float]:
    """The peak memory of this process, and the size of the installed packages of which it imported any part, in MB."""
    from importlib.metadata import files, packages_distributions
    from resource import RUSAGE_SELF, getrusage

    peak = getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    owners, imported = packages_distributions(), {name.partition(".")[0] for name in list(sys.modules)}
    packages = {owner for name in imported for owner in owners.get(name, ())}
    paths = {Path(str(file.locate())) for name in packages for file in files(name) or () if file.suffix != ".pyc"}
    return {"memory": peak / 1e6, "installed": megabytes(paths)}


def megabytes(paths: Any) -> float:
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


class Process:
    """A fresh process that is one contender."""

    def __init__(self, given: dict[str, Any]) -> None:
        import subprocess
        import tempfile

        self.given, self.said = given, tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        command, pipe = [sys.executable, __file__, "--worker"], subprocess.PIPE
        self.run: Any = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.said, text=True)
        self.run.stdin.write(json.dumps(given) + "\n")

    def ask(self, *job: Any) -> Any:
        """The seconds that a job took inside the process, and its answers."""
        self.run.stdin.write(json.dumps(job) + "\n")
        self.run.stdin.flush()
        line = self.run.stdout.readline()
        if not line:
            self.said.seek(0)
            raise SystemExit(f"{self.given['class']} failed:\n{self.said.read()}")
        return json.loads(line)


def measure(given: dict[str, Any], columns: dict[str, Any], repetitions: int, seed: int) -> tuple[Values, Any]:
    """Every contender's values by kind, one for each repetition, and its answers."""
    import random

    from rich.console import Console
    from rich.progress import Progress

    warm, shuffled = {name: Process(given[name]) for name in given}, random.Random(seed).sample
    jobs = [(name, kind) for name in given for kind in TIMED if (name, kind) != (NGRAM, "vectors")]
    values: Values = {name: {kind: [] for kind in HEADINGS} for name in given}
    answers: dict[str, Any] = {name: {} for name in given}
    # A bar that redraws by itself would compute beside what is timed.
    with Progress(console=Console(stderr=True), auto_refresh=False) as progress:
        bar = progress.add_task("", total=(repetitions + 1) * len(jobs))
        for name, kind in (job for _ in range(repetitions + 1) for job in shuffled(jobs, len(jobs))):
            progress.update(bar, description=f"{name}: {HEADINGS[kind].partition(',')[0]}", refresh=True)
            started = time.perf_counter()
            process = Process(given[name]) if kind == "cold" else warm[name]
            seconds, answers[name][kind] = process.ask(kind, *columns[kind])
            cold = time.perf_counter() - started
            values[name][kind].append(cold if kind == "cold" else seconds * 1e3 / len(columns[kind][0]))
            if kind == "cold":
                for what, size in process.ask("weight")[1].items():
                    values[name][what].append(size)
                process.run.communicate()
            progress.update(bar, advance=1, refresh=True)
    for process in warm.values():
        process.run.communicate()
    return {name: {kind: found[1:] for kind, found in kinds.items()} for name, kinds in values.items()}, answers


def ratio(ours: list[float], theirs: list[float]) -> list[float]:
    """Their median over ours, and its bootstrap 95 % interval; a repetition's two values stay together."""
    import numpy as np

    if not ours or not theirs:
        return []
    rows = np.random.default_rng(0).integers(0, len(ours), (RESAMPLES, len(ours)))
    drawn = np.median(np.array(theirs)[rows], axis=1) / np.median(np.array(ours)[rows], axis=1)
    return [float(np.median(theirs) / np.median(ours)), *np.percentile(drawn, [2.5, 97.5]).tolist()]


def agreement(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[float, int, int]:
    """The largest difference of a probability in all answers that were timed, equal labels, and of how many."""
    import numpy as np

    pairs = [(np.array(ours[kind]), np.array(theirs[kind])) for kind in ("cold", "single", "batch")]
    same = pairs[-1][0].argmax(axis=1) == pairs[-1][1].argmax(axis=1)
    return max(float(np.abs(a - b).max()) for a, b in pairs), int(same.sum()), len(same)
