"""The command line: the only place that prints or exits. One command for each stage, and `predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stancemap.errors import DataError, InputError, StancemapError, explain
from stancemap.progress import bars_on, show_with
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

    if output is not None:
        tables.check_output(output)
    rows = tables.answer_texts(tables.gather(what, text_column, target_column, target), model)
    if output is not None:
        tables.write_rows(output, rows)
        _say(f"{len(rows)} row{'s' * (len(rows) != 1)} written to {output}")
    elif as_json:
        sys.stdout.write(tables.json_lines(rows))
    else:
        out.print(tables.shown(rows, text_column))


@app.command()
def audit(
    dataset: DatasetName,
    html: Annotated[Path | None, typer.Option(help="Write the tables as one self-contained page as well.")] = None,
    beside: Annotated[
        Path | None, typer.Option(help="Text of the kind that the model is for: .txt, .csv, .tsv, .jsonl, .parquet.")
    ] = None,
) -> None:
    """Count what could give the labels of a corpus away, and how far one gets without reading.

    Exit code 3 when a bound of `audit` in the dataset's config is broken; `prepare` refuses such a corpus.

        stancemap audit withdrawal --html audit.html

        stancemap audit withdrawal --beside my-articles.jsonl
    """
    from stancemap.audit import audit as run
    from stancemap.bundle import write_text
    from stancemap.page import render
    from stancemap.tables import read_texts

    if beside is not None and not beside.is_file():
        raise InputError(explain(f"There is no file {beside}", then="Mend the name"))
    if html is not None and html.is_dir():
        raise InputError(explain(f"{html} is a folder", then="Name a file"))
    texts = None if beside is None else read_texts(beside, "text", None, None)
    found = run(require(), dataset, None if texts is None else list(zip(texts.names, texts.rows, strict=True)))
    for one in found.tables:
        _print_table([list(row) for row in one.rows], f"{one.title}: {one.note}")
    if html is not None:
        try:
            write_text(html, render(found))
        except OSError as error:
            wrong = f"{html} cannot be written: {error.strerror}"
            raise InputError(explain(wrong, then="Name another place")) from None
        _say(f"written to {html}")
    if found.breaches:
        raise DataError("\n".join(found.breaches))


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def _print_scores(metrics: dict[str, Any]) -> None:
    from stancemap.report import label_rows, score_rows

    _print_table(score_rows(metrics, "split"), None)
    for split, found in metrics.items():
        _print_table(label_rows(found["per_class"]), split)


def _print_table(rows: list[list[str]], title: str | None) -> None:
    table = Table(title=None if title is None else Text(title, style="table.title"), title_justify="left")
    for name in rows[0]:
        table.add_column(Text(name))
    for row in rows[1:]:
        table.add_row(*map(Text, row))  # a text may hold [brackets], which are no markup
    out.print(table)


def main() -> None:
    """Run the command line; errors made for people are printed without a traceback."""
    try:
        if err.is_terminal:
            show_with(bars_on(err))
        app(standalone_mode=True)
    except StancemapError as error:
        err.print(f"stancemap: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as end:  # typer makes an exit with 130 of Ctrl-C
        if isinstance(end, SystemExit) and end.code != 130:
            raise
        err.print("stancemap: stopped; finished steps are kept, the same command goes on from there", soft_wrap=True)
        sys.exit(130)
