"""The command line: the only place that prints or exits. One command for each stage, and `predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from stancemap.errors import StancemapError
from stancemap.progress import Advance, show_with
from stancemap.project import require

WIDTH = 120  # of tables in files and logs
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    help="""Who stands where, sentence by sentence.

    `dvc repro` runs the stages **prepare → fit → evaluate → select → track**; each is a command here too.
    `stancemap predict` answers with the registered champion:

        stancemap predict "Parliament asked the government to end the presence of foreign troops."

        stancemap predict article.txt

        stancemap predict rows.csv --text-column sentence --output answers.csv""",
)
out = Console(width=None if sys.stdout.isatty() else WIDTH)
err = Console(stderr=True)

DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", help="A config in configs/datasets, such as withdrawal.")
]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A config in configs/models, such as ngram.")]


def _version(asked: bool) -> None:
    if asked:
        from stancemap import __version__

        out.print(f"stancemap {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which, and stop.")
    ] = False,
) -> None:
    """Leave to `--help` what `help=` above says; nothing is done before a command."""


@app.command()
def prepare(dataset: DatasetName) -> None:
    """Repair text, validate every row, find duplicates, split by document.

    stancemap prepare withdrawal
    """
    from stancemap.stages.prepare import prepare as run

    audit = run(require(), dataset)
    rows = [["split", *audit["label"]]]
    rows += [
        [name, *(str(counts.get(label, 0)) for label in audit["label"])] for name, counts in audit["split"].items()
    ]
    _print_table(rows, f"{audit['rows']} rows, {audit['documents']} documents, leakage {audit['leakage']}")


@app.command()
def fit(dataset: DatasetName, model: ModelName) -> None:
    """Fit one model on the training split and save it without pickle.

    stancemap fit withdrawal ngram
    """
    from stancemap.stages.fit import fit as run

    run(require(), dataset, model)
    out.print(f"fitted {model} on {dataset}")


@app.command()
def evaluate(
    dataset: DatasetName,
    model: ModelName,
    file: Annotated[
        Path | None,
        typer.Option(help="Score the model on this labelled file instead, and write nothing but the answer."),
    ] = None,
) -> None:
    """Score a fitted model: every number with its n and its interval.

    stancemap evaluate withdrawal ngram

    stancemap evaluate withdrawal ngram --file labelled.jsonl
    """
    from stancemap.stages.evaluate import evaluate as run
    from stancemap.stages.evaluate import evaluate_file

    if file is not None:
        found = evaluate_file(require(), dataset, model, file)
        _print_scores({file.name: found})
    else:
        _print_scores(run(require(), dataset, model))


@app.command()
def select(dataset: DatasetName) -> None:
    """Name the best model on validation, and how sure that is.

    stancemap select withdrawal
    """
    from stancemap.stages.select import select as run

    found = run(require(), dataset)
    rows = [["behind the champion", found["metric"], "95 % interval", "sure"]]
    rows += [
        [one["model"], f"{one['behind']:+.3f}", f"[{one['low']:+.3f}, {one['high']:+.3f}]", f"{one['sure']:.1%}"]
        for one in found["others"]
    ]
    _print_table(rows, f"champion: {found['champion']} (validation, n = {found['n']})")


@app.command()
def track(dataset: DatasetName) -> None:
    """Make MLflow match the files, register the models, move the aliases; safe to run again.

    stancemap track withdrawal
    """
    from stancemap.stages.track import track as run

    for line in run(require(), dataset):
        out.print(line)


@app.command()
def predict(  # noqa: PLR0913, PLR0917 - options are typed by name
    what: Annotated[str, typer.Argument(metavar="TEXT|FILE|-", help="A sentence, a file, or - for standard input.")],
    target: Annotated[str | None, typer.Option(help="What the stance is about; a generic one if absent.")] = None,
    model: Annotated[str | None, typer.Option(help="A folder, models:/NAME@ALIAS, or an alias.")] = None,
    text_column: Annotated[str, typer.Option(help="The column of sentences, in a table.")] = "text",
    target_column: Annotated[str | None, typer.Option(help="The column of targets, in a table.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write .csv, .tsv, .jsonl or .parquet.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines instead of a table.")] = False,
) -> None:
    """Tell where the holder of each sentence stands, with the champion or another model.

    FILE is an article (**.txt**, split into sentences) or a table (**.csv .tsv .jsonl .parquet**). Every column of a
    table is kept; `target`, `predicted` and one `p(LABEL)` for each label are added. Rows that cannot be used are
    named, all of them, and then nothing is answered or written.

        stancemap predict article.txt --target "withdrawal of US troops from Syria"

        cat article.txt | stancemap predict - --json
    """
    from stancemap import tables
    from stancemap.datasets.jsonl import decoded

    if output is not None:
        tables.check_output(output)
    file = None if what == "-" else tables.which_file(what)
    if file is None:
        tables.refuse_columns("standard input" if what == "-" else "a text", text_column, target_column)
    if file is not None:
        texts = tables.read_texts(file, text_column, target_column, target)
    elif what == "-":
        texts = tables.from_article(decoded(sys.stdin.buffer.read(), "standard input"), "standard input", target)
    else:
        texts = tables.Texts([what], [target], [{"text": what}], [""])
    rows = tables.answer_texts(texts, model)
    if output is not None:
        tables.write_rows(output, rows)
        out.print(
            f"{len(rows)} row{'s' * (len(rows) != 1)} written to {output}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    elif as_json:
        sys.stdout.write(tables.json_lines(rows))
    else:
        out.print(tables.shown(rows, text_column))


def _print_scores(metrics: dict[str, Any]) -> None:
    from stancemap.report import label_rows, score_rows

    _print_table(score_rows(metrics, "split"), None)
    for split, found in metrics.items():
        _print_table(label_rows(found["per_class"]), split)


def _print_table(rows: list[list[str]], title: str | None) -> None:
    table = Table(*rows[0], title=title, title_justify="left")
    for row in rows[1:]:
        table.add_row(*row)
    out.print(table)


@contextmanager
def _bar(description: str, total: float | None, unit: str) -> Iterator[Advance]:
    """A progress bar on standard error: bytes for downloads, a count for the rest, a spinner when unbounded."""
    count = (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (MofNCompleteColumn(),)
    known = (BarColumn(), *count, TimeRemainingColumn()) if total else (SpinnerColumn(),)
    columns = (TextColumn("{task.description}"), *known, TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        job = progress.add_task(description, total=total)
        yield lambda step: progress.advance(job, step)


def main() -> None:
    """Run the command line; errors made for people are printed without a traceback."""
    try:
        if err.is_terminal:
            show_with(_bar)
        app(standalone_mode=True)
    except StancemapError as error:
        err.print(f"stancemap: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as end:  # typer makes an exit with 130 of Ctrl-C
        if isinstance(end, SystemExit) and end.code != 130:
            raise
        err.print("stancemap: stopped; finished steps are kept, the same command goes on from there", soft_wrap=True)
        sys.exit(130)
