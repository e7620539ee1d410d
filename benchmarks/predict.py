"""Time stancemap's predict() beside torch + transformers with the same weights and the same linear head, in one run.

Why: a time alone says little, and a machine's speed drifts. So every repetition measures all contenders in random
order, on the same texts with as many threads, and compares their answers too. Ratios are the result; none is asserted.
To add a contender, write a class with `answer` and `vectors`, name it in CONTENDERS, and say in RIVALS whom it meets.
"""

from __future__ import annotations

import json
import os
import platform
import random
import resource
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np

# Every cold start runs this very file: what not every contender imports anyway is imported inside functions.
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
KINDS = {
    "cold": "cold start, s",
    "single": "one by one, ms a sentence",
    "batch": "all at once, ms a sentence",
    "vectors": "vectors only, ms a sentence",
    "memory": "peak memory, MB",
    "model": "model on disk, MB",
    "installed": "packages imported, MB",
}


class Stancemap:
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
        self.torch, self.length, self.layers = torch, given["max_length"], given["layers"]
        self.head = load_file(Path(given["bundle"], "arrays.safetensors"))
        self.tokenizer = AutoTokenizer.from_pretrained(given["encoder"], local_files_only=True)
        self.model = AutoModel.from_pretrained(given["encoder"], local_files_only=True).eval()

    def answer(self, texts: list[str], targets: list[str]) -> list[list[float]]:
        row = {text: number for number, text in enumerate(dict.fromkeys([*texts, *targets]))}
        vectors = self.vectors(list(row))
        text, aim = (vectors[[row[entry] for entry in column]] for column in (texts, targets))
        width = text.shape[1] // self.layers
        last, aim = text[:, :width], aim[:, :width]
        features = np.hstack([text, aim, last * aim * np.float32(np.sqrt(width)), np.abs(last - aim)])
        odds = np.exp(features @ self.head["weights"].T + self.head["biases"])
        return (odds / odds.sum(axis=1, keepdims=True)).tolist()

    def vectors(self, texts: list[str]) -> Any:
        how = {"padding": True, "truncation": True, "max_length": self.length, "return_tensors": "pt"}
        found = self.torch.empty(len(texts), self.layers * self.model.config.hidden_size)
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        with self.torch.inference_mode():  # in batches of 32, sorted by length: the default of sentence-transformers
            for rows in (order[start : start + 32] for start in range(0, len(order), 32)):
                given = self.tokenizer([texts[row] for row in rows], **how)
                mask = given["attention_mask"].unsqueeze(-1)
                states = self.model(**given, output_hidden_states=True).hidden_states[::-1][: self.layers]
                pooled = [(state * mask).sum(1) / mask.sum(1) for state in states]
                found[rows] = self.torch.cat([self.torch.nn.functional.normalize(one, dim=-1) for one in pooled], 1)
        return found.numpy()


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
    """The peak memory of this process, and the size of the installed packages of which it imported any part."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    owners, imported = metadata.packages_distributions(), {name.partition(".")[0] for name in list(sys.modules)}
    packages = {owner for name in imported for owner in owners.get(name, ())}
    files = {Path(str(file.locate())) for name in packages for file in metadata.files(name) or ()}
    return {"memory": peak / 1e6, "installed": megabytes(files)}


def megabytes(files: Any) -> float:
    return sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.is_file()) / 1e6


class Process:
    def __init__(self, given: dict[str, Any]) -> None:
        self.given, self.log = given, tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self.run: Any = Popen([sys.executable, __file__, "worker"], stdin=PIPE, stdout=PIPE, stderr=self.log, text=True)
        self.run.stdin.write(json.dumps(given) + "\n")

    def ask(self, *job: Any) -> Any:
        """The seconds that a job took inside the process, and its answers."""
        print(json.dumps(job), file=self.run.stdin, flush=True)
        line = self.run.stdout.readline()
        if not line:
            self.log.seek(0)
            raise SystemExit(f"{self.given['bundle']} with {self.given['class']} failed:\n{self.log.read()}")
        return json.loads(line)


def describe(made: str, model: str, threads: int) -> dict[str, Any]:
    """What a contender is told."""
    from stancemap import bundle, config, encoders, schema

    folder = ROOT / "models" / "withdrawal" / model
    head, files = bundle.read_head(folder), list(folder.iterdir())
    given = {"class": made, "bundle": str(folder), "threads": threads, "max_length": head["state"].get("max_length")}
    if made == "Torch":
        name = head["params"]["encoder"]
        encoder = schema.read(ROOT / "configs" / "encoders" / f"{name}.yaml", config.Encoder)
        given["layers"] = head["params"]["layers"]
        given["encoder"] = str(encoders.find(name, encoder, offline=True))
        files = [folder / bundle.ARRAYS, *Path(given["encoder"]).iterdir()]
    return {**given, "model": megabytes(files)}


def measure(given: dict[str, Any], columns: dict[str, Any], repetitions: int) -> tuple[Any, Any]:
    """Every contender's values by kind, one for each repetition, and its answers."""
    from rich.console import Console
    from rich.progress import track

    jobs = [(name, kind) for name in given for kind in columns if (name, kind) != (NGRAM, "vectors")]
    turns = [job for _ in range(repetitions + 1) for job in random.sample(jobs, len(jobs))]  # the first fills caches
    values: Any = {name: {kind: [] for kind in KINDS} for name in given}
    answers: Any = {name: {} for name in given}
    warm = {name: Process(given[name]) for name in given}
    # A bar that redraws by itself would compute beside what is timed.
    for name, kind in track(turns, "measuring", console=Console(stderr=True), auto_refresh=False):
        started = time.perf_counter()
        process = Process(given[name]) if kind == "cold" else warm[name]
        seconds, answers[name][kind] = process.ask(kind, *columns[kind])
        found = {kind: seconds * 1e3 / len(columns[kind][0])}
        if kind == "cold":
            found = {kind: time.perf_counter() - started, "model": given[name]["model"], **process.ask("weight")[1]}
            process.run.communicate()
        for what, value in found.items():
            values[name][what].append(value)
    return {name: {kind: found[1:] for kind, found in kinds.items()} for name, kinds in values.items()}, answers


def ratio(ours: list[float], theirs: list[float]) -> list[float]:
    """Their median over ours, and its bootstrap 95 % interval; a repetition's two values stay together."""
    rows = np.random.default_rng(0).integers(0, len(ours), (10_000, len(ours)))
    drawn = np.median(np.array(theirs)[rows], axis=1) / np.median(np.array(ours)[rows], axis=1)
    return [float(np.median(theirs) / np.median(ours)), *np.percentile(drawn, [2.5, 97.5]).tolist()]


def agreement(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """The largest difference of a probability in any answer that was timed, and the equal labels of the batch."""
    first, second = (np.concatenate([one["cold"], one["single"], one["batch"]]) for one in (ours, theirs))
    same = [int(np.argmax(a) == np.argmax(b)) for a, b in zip(ours["batch"], theirs["batch"], strict=True)]
    return [f"{np.abs(first - second).max():.1e}", f"{sum(same)} of {len(same)}"]


def table(values: dict[str, Any], answers: dict[str, Any]) -> str:
    """Medians with quartiles, then ratios with intervals and how far the answers agree, as Markdown."""

    def cell(form: str, numbers: list[float]) -> str:
        shown = [f"{number:,.0f}" if number >= 100 else f"{number:.3g}" for number in numbers]
        return (form if len(set(shown)) > 1 else form.partition(" ")[0]).format(*shown) if shown else "–"

    lines = [["median (quartiles)", *KINDS.values()], ["---", *["---:"] * len(KINDS)]]
    for name, kinds in values.items():
        spreads = [np.percentile(found, [50, 25, 75]).tolist() if found else [] for found in kinds.values()]
        lines.append([name, *[cell("{} ({}–{})", spread) for spread in spreads]])
    heads = [heading.partition(",")[0] for heading in KINDS.values()]
    lines += [[], ["", "against", *heads, "largest difference of a probability", "same label"]]
    lines += [["---", "---", *["---:"] * (len(KINDS) + 2)]]
    for ours, theirs in RIVALS:
        ratios = [ratio(found, values[theirs][kind]) if found else [] for kind, found in values[ours].items()]
        agreed = ["another model"] * 2 if ours == NGRAM else agreement(answers[ours], answers[theirs])
        lines.append([ours, theirs, *[cell("**{}×** [{}, {}]", found) for found in ratios], *agreed])
    return "\n".join(f"| {' | '.join(line)} |" if line else "" for line in lines)


def main() -> None:
    """Read the command line, pin, measure, print."""
    from argparse import ArgumentParser

    from pyarrow.parquet import read_table

    parser, cores = ArgumentParser(description=__doc__.partition("\n")[0]), range(1, 1 + (os.cpu_count() or 1))
    parser.add_argument("--repetitions", type=int, default=7, metavar="N", help="of everything: %(default)s")
    parser.add_argument("--threads", type=int, default=1, choices=cores, help="threads and cores for each: %(default)s")
    parser.add_argument("--quick", action="store_true", help="two repetitions of few sentences: a look, no result")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every single value and answer there")
    asked = parser.parse_args()
    repetitions, singles, batch = (2, 8, 64) if asked.quick else (max(asked.repetitions, 1), 64, 512)
    if hasattr(os, "sched_setaffinity"):  # contenders inherit it; stancemap takes as many threads as it has cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.threads])
    os.environ |= {f"{name}_NUM_THREADS": str(asked.threads) for name in ("OMP", "OPENBLAS", "MKL", "RAYON")}
    os.environ["HF_HUB_OFFLINE"] = "1"
    given = {name: describe(*which, asked.threads) for name, which in CONTENDERS.items()}
    rows = read_table(ROOT / "data/prepared/withdrawal/test.parquet").select(["text", "target"]).to_pydict().values()
    counts = {"cold": 1, "single": singles, "batch": batch, "vectors": batch}
    columns = {kind: [column[:count] for column in rows] for kind, count in counts.items()}
    values, answers = measure(given, columns, repetitions)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    about = [line.partition(": ")[2] for line in lines if line.startswith("model name")][:1]
    about += [f"{os.cpu_count()} cores, {asked.threads} used by each contender, Python {platform.python_version()}"]
    about += [f"{name} {metadata.version(name)}" for name in ("torch", "transformers", "onnxruntime", "scikit-learn")]
    about += [f"{repetitions} repetitions of {singles} sentences one by one and {batch} all at once"]
    if asked.json:
        asked.json.write_text(json.dumps({"about": about, "values": values, "answers": answers}, indent=1))
    print(", ".join(about) + ".", table(values, answers), sep="\n\n")


if __name__ == "__main__":
    worker() if sys.argv[1:] == ["worker"] else main()
