"""The command line: what it prints and writes, how it ends; a failure is one sentence, and no half file."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from stancemap import cli, predict

NGRAM = "models/withdrawal/ngram"
MODEL = ("--model", NGRAM)
GENERIC = "withdrawal of foreign troops"
GO = "The troops should go."
STAY = "They stay."
LIMITS = "Allowed: a string of 1 to 10,000 characters."
EMPTY = f"The text is empty. Got: ''. {LIMITS} Fill it in or drop the row."
COMMANDS = ["prepare", "fit", "evaluate", "select", "track", "predict", "audit"]


class Result:
    """How a command ended, and what it said."""

    def __init__(self, code, captured):
        self.code, self.out, self.err = code, captured.out, captured.err

    @property
    def rows(self):
        """The JSON lines that were printed."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture(autouse=True)
def screen(monkeypatch):
    """Screens of 100 columns without colour, and no model named in the environment."""
    for name in ("MLFLOW_TRACKING_URI", "STANCEMAP_MODEL", "DVC_ROOT", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")
    monkeypatch.setattr(cli, "out", Console(width=100))


@pytest.fixture
def run(finished, monkeypatch, capsys):
    """A function that runs a command in the finished project, as the installed script would."""

    def command(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["stancemap", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        return Result(code or 0, capsys.readouterr())

    return command


def put(path, text):
    """A file of this text."""
    path.write_text(text, encoding="utf-8", newline="")
    return path


def snapshot(folder):
    """Every file of a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def answered(*texts, targets=None, **columns):
    """The rows that are to come out for these texts, by `predict` itself."""
    rows = []
    for number, found in enumerate(predict(texts, targets, model=NGRAM)):
        first = {"text": texts[number], **{name: column[number] for name, column in columns.items()}}
        chances = {f"p({label})": round(chance, 6) for label, chance in found.probabilities.items()}
        rows.append({**first, "target": found.target, "predicted": found.label, **chances})
    return rows


def read(path):
    """The rows of a file of any kind, as pandas reads them."""
    import pandas as pd

    how = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    table = pd.read_csv(path, sep="\t") if path.suffix == ".tsv" else how[path.suffix](path)
    return table.to_dict("records")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_text_with_an_example(run, command):
    found = run(command, "--help")
    assert found.code == 0
    assert [line for line in found.out.splitlines() if line.strip().startswith(f"stancemap {command} ")]


def test_the_help_names_every_command_and_an_example(run):
    found = run("--help")
    assert found.code == 0
    listed = [line.split()[1] for line in found.out.splitlines() if line.startswith("│ ") and line[2] != " "]
    assert [name for name in listed if name in COMMANDS] == COMMANDS
    assert "  stancemap predict article.txt" in found.out


def test_a_text_is_shown_in_a_table(run):
    (row,) = answered(GO)
    found = run("predict", GO, *MODEL)
    assert (found.code, found.err) == (0, "")
    assert [line.split() for line in found.out.splitlines()] == [
        ["text", "stance", "p"],
        [*GO.split(), row["predicted"], f"{max(row[f'p({label})'] for label in CLASSES):.2f}", found.out.split()[9]],
        f"on {GENERIC}: 1 pro-withdrawal, 0 anti-withdrawal, 0 neutral".split(),
    ]


CLASSES = ("pro-withdrawal", "anti-withdrawal", "neutral")


def test_a_text_is_answered_in_json(run):
    found = run("predict", GO, "--json", *MODEL)
    assert (found.code, found.err) == (0, "")
    assert found.rows == answered(GO)


def test_a_target_may_be_given(run):
    found = run("predict", GO, "--target", "withdrawal of the UN force", "--json", *MODEL)
    assert found.rows == answered(GO, targets="withdrawal of the UN force")


def test_the_champion_answers_by_default(run):
    (row,) = run("predict", GO, "--json").rows
    assert row["predicted"] == predict(GO).label


def test_an_alias_names_the_model(run):
    (row,) = run("predict", GO, "--json", "--model", "champion").rows
    assert row["predicted"] == predict(GO).label


def test_an_article_is_answered_sentence_by_sentence(run, tmp_path):
    path = put(tmp_path / "article.txt", f"{GO} {STAY}\n\nNobody knows.\n")
    found = run("predict", path, "--json", *MODEL)
    assert found.rows == answered(GO, STAY, "Nobody knows.", start=[0, 22, 34], end=[21, 32, 47])


def test_standard_input_is_an_article(run):
    found = run("predict", "-", "--json", *MODEL, stdin=f"\ufeff{GO}\r\n{STAY}".encode())
    assert [row["text"] for row in found.rows] == [GO, STAY]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_keeps_its_columns(run, tmp_path, ending):
    import pandas as pd

    table = pd.DataFrame({"id": ["a", "b"], "text": [GO, STAY]})
    path = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        table.to_parquet(path)
    elif ending == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    found = run("predict", path, "--json", *MODEL)
    assert found.rows == [{"id": name, **row} for name, row in zip("ab", answered(GO, STAY), strict=True)]


def test_a_table_may_bring_its_targets(run, tmp_path):
    aims = ["withdrawal of the UN force", "closing of the naval base"]
    path = put(tmp_path / "rows.csv", f"text,target\n{GO},{aims[0]}\n{STAY},{aims[1]}\n")
    assert run("predict", path, "--json", *MODEL).rows == answered(GO, STAY, targets=aims)


def test_columns_may_have_other_names(run, tmp_path):
    path = put(tmp_path / "rows.csv", f"body,aim\n{GO},withdrawal of the UN force\n")
    (row,) = run("predict", path, "--text-column", "body", "--target-column", "aim", "--json", *MODEL).rows
    assert list(row) == ["body", "aim", "target", "predicted", *[f"p({label})" for label in CLASSES]]
    assert (row["body"], row["aim"], row["target"]) == (GO, "withdrawal of the UN force", "withdrawal of the UN force")


def test_a_table_with_another_text_column_is_shown(run, tmp_path):
    path = put(tmp_path / "rows.csv", f"body\n{GO}\n")
    assert GO in run("predict", path, "--text-column", "body", *MODEL).out


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_answers_are_written_by_the_ending_of_the_output(run, tmp_path, ending):
    path = tmp_path / f"answers.{ending}"
    source = put(tmp_path / "rows.csv", f"text\n{GO}\n{STAY}\n")
    found = run("predict", source, "--output", path, *MODEL)
    assert (found.code, found.err) == (0, "")
    assert found.out.replace("\n", "") == f"2 rows written to {path}"
    assert read(path) == answered(GO, STAY)
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted([f"answers.{ending}", "rows.csv"])


def test_an_older_output_is_replaced(run, tmp_path):
    path = put(tmp_path / "answers.jsonl", "old\n" * 1000)
    run("predict", GO, "--output", path, *MODEL)
    assert read(path) == answered(GO)


def test_the_name_of_the_output_is_printed_as_it_is(run, tmp_path):
    path = tmp_path / f"answers[bold]{'x' * 100}.csv"
    assert run("predict", GO, "--output", path, *MODEL).out == f"1 row written to {path}\n"


def test_a_half_surrogate_in_another_column_is_no_obstacle(run, tmp_path):
    path = put(tmp_path / "rows.jsonl", '{"text": "They stay.", "note": "\\ud800"}\n')
    assert run("predict", path, "--json", *MODEL).rows == answered(STAY, note=["\ud800"])


def failing(tmp_path):
    """Inputs that cannot be answered: arguments, exit code, and the sentence."""
    bad = put(tmp_path / "bad.csv", f"id,text\n1,{GO}\n2,\n3,{STAY}\n")
    many = put(tmp_path / "many.csv", "id,text\n" + "1,\n" * 25)
    column = put(tmp_path / "column.csv", f"id,Text\n1,{GO}\n")
    targets = put(tmp_path / "targets.csv", f"text,target\n{GO},withdrawal of troops\n")
    foreign = put(tmp_path / "foreign.csv", f"text,target\n{GO},withdrawal of troops\n{STAY},abortion\n")
    comma = put(tmp_path / "comma.csv", "text\nTroops left, he said.\n")
    mixed = put(tmp_path / "mixed.jsonl", '{"text": "They stay.", "n": 1}\n{"text": "They stay.", "n": "x"}\n')
    broken = put(tmp_path / "broken.jsonl", '{"text": "They stay."}\n{"text": \n')
    other = put(tmp_path / "notes.docx", GO)
    empty = put(tmp_path / "empty.txt", "\n")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("text\nThe café stays.\n".encode("latin-1"))
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"The tr\0oops left.")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.csv").mkdir()
    outside = (
        "The target is outside the family of the model ngram on withdrawal. Got: 'abortion'. Allowed: an action such "
        "as 'withdrawal of foreign troops'. Name the action in such words, or train on a dataset of your own: see "
        "`Your own issue` in README.md."
    )
    return {
        "empty": ([""], 2, EMPTY),
        "spaces": (
            ["  "],
            2,
            (
                f"The text holds nothing but spaces and invisible characters. Got: '  '. {LIMITS} "
                "Fill it in or drop the row."
            ),
        ),
        "undecodable": (
            ["caf\udce9 stays"],
            2,
            (
                "The text holds a byte that could not be decoded, U+DCE9 at index 3; a binary file or a wrong "
                "encoding is likely. Allowed: text. Open the file with the encoding it was written in, such as "
                "windows-1252."
            ),
        ),
        "row": ([bad], 2, f"bad.csv:row 2: {EMPTY}"),
        "rows": (
            [many],
            2,
            "\n".join([*(f"many.csv:row {row}: {EMPTY}" for row in range(1, 21)), "... and 5 more"]),
        ),
        "column": (
            [column],
            2,
            (
                f"{column} has no column 'text'. Allowed: Text, id (did you mean Text?). Name the right one with "
                "--text-column."
            ),
        ),
        "two targets": (
            [targets, "--target", GENERIC],
            2,
            f"{targets} has targets of its own, in the column 'target'. Drop --target, or rename the column.",
        ),
        "foreign target": ([foreign], 2, f"foreign.csv:row 2: {outside}"),
        "target": ([GO, "--target", "abortion"], 2, outside),
        "target for all": ([bad, "--target", "abortion"], 2, outside),
        "comma": (
            [comma],
            3,
            (
                f"{comma} cannot be read as csv: row 1 has more cells than the header; quote a cell that holds the "
                "separator."
            ),
        ),
        "encoding": ([latin], 3, f"{latin} is not UTF-8: byte 0xe9 at position 12. Save the file as UTF-8."),
        "binary": (
            [binary],
            2,
            (
                "binary.txt: The text holds NUL, U+0000 at index 6; a binary file or a wrong encoding is likely. "
                "Allowed: text. Open the file with the encoding it was written in, such as utf-16."
            ),
        ),
        "json": ([broken], 3, "broken.jsonl:2: The line is no JSON: Expecting value. Got: '{\"text\": '."),
        "no sentence": ([empty], 2, "empty.txt holds no sentence. Pass a text with words in it."),
        "missing": (
            ["missing.csv"],
            2,
            "There is no file 'missing.csv'. Mend the name; a text that looks like one wants a full stop.",
        ),
        "folder": (
            [tmp_path / "folder"],
            2,
            f"{tmp_path / 'folder'} is a folder. Pass a text, a file, or - for standard input.",
        ),
        "kind": (
            [other],
            2,
            (
                f"{other} is of a kind that cannot be read. Allowed: .txt, .jsonl, .csv, .tsv, .parquet. "
                "Rename the file, or pass the text itself."
            ),
        ),
        "article column": (
            [empty, "--target-column", "aim"],
            2,
            f"{empty} is no table and has no columns. Drop --target-column.",
        ),
        "text column": (
            [GO, "--text-column", "body"],
            2,
            "a text is no table and has no columns. Drop --text-column.",
        ),
        "text target column": (
            [GO, "--target-column", "aim"],
            2,
            "a text is no table and has no columns. Drop --target-column.",
        ),
        "input column": (
            ["-", "--target-column", "aim"],
            2,
            "standard input is no table and has no columns. Drop --target-column.",
        ),
        "no input": (["-"], 2, "standard input holds no sentence. Pass a text with words in it."),
        "output kind": (
            [GO, "--output", tmp_path / "a.xlsx"],
            2,
            f"{tmp_path / 'a.xlsx'} is of a kind that cannot be written. Allowed: .jsonl, .csv, .tsv, .parquet.",
        ),
        "output folder": (
            [GO, "--output", tmp_path / "no" / "a.csv"],
            2,
            f"There is no folder {tmp_path / 'no'}. Make it, or write elsewhere.",
        ),
        "output is a folder": (
            [GO, "--output", tmp_path / "folder.csv"],
            2,
            f"{tmp_path / 'folder.csv'} is a folder. Name a file.",
        ),
        "output types": (
            [mixed, "--output", tmp_path / "old.parquet"],
            2,
            (
                "The column 'n' cannot be written as Parquet: Could not convert 'x' with type str: tried to convert to "
                "int64. Write .jsonl, which holds values of any kind."
            ),
        ),
        "model folder": (
            [GO, "--model", "models/withdrawal/ngrm"],
            5,
            (
                "There is no model folder models/withdrawal/ngrm. Allowed: embedding-tiny, majority, ngram (did "
                "you mean ngram?). Pass an existing folder, an alias, or models:/NAME@ALIAS."
            ),
        ),
        "model alias": (
            [GO, "--model", "champoin"],
            6,
            (
                "The registry holds no model models:/stancemap-withdrawal@champoin. Allowed: challenger, champion (did "
                "you mean champion?). Train one with `dvc repro`, or pass a model folder such as "
                "models/withdrawal/ngram."
            ),
        ),
    }


FAILURES = """empty|spaces|undecodable|row|rows|column|two targets|foreign target|target|target for all|comma|encoding
binary|json|no sentence|missing|folder|kind|article column|text column|text target column|input column|no input
output kind|output folder|output is a folder|output types|model folder|model alias"""


@pytest.mark.parametrize("case", FAILURES.replace("\n", "|").split("|"))
def test_a_failure_is_a_sentence_an_exit_code_and_no_file(run, tmp_path, case):
    arguments, code, sentence = failing(tmp_path)[case]
    for ending in ("csv", "parquet"):
        put(tmp_path / f"old.{ending}", "old")
    output = [] if "--output" in arguments else ["--output", tmp_path / "old.csv"]
    model = [] if "--model" in arguments else MODEL
    before = snapshot(tmp_path)
    found = run("predict", *arguments, *output, *model)
    assert (found.code, found.out, found.err) == (code, "", f"stancemap: {sentence}\n")
    assert snapshot(tmp_path) == before


def test_every_failure_is_tested(tmp_path):
    assert list(failing(tmp_path)) == FAILURES.replace("\n", "|").split("|")


def test_a_sentence_of_a_megabyte_is_refused(run):
    found = run("predict", "-", *MODEL, stdin=b"word " * 200_000)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("stancemap: standard input:characters 0-999999: The text is too long: it has 999,999 ")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ["fit", "withdrawal", "ngrm"],
            2,
            (
                "There is no config {root}/configs/models/ngrm.yaml. Got: 'ngrm'. Allowed: embedding-tiny, majority, "
                "ngram (did you mean ngram?)."
            ),
        ),
        (
            ["prepare", "withdrawl"],
            2,
            (
                "There is no config {root}/configs/datasets/withdrawl.yaml. Got: 'withdrawl'. Allowed: withdrawal (did "
                "you mean withdrawal?)."
            ),
        ),
        (
            ["evaluate", "withdrawal", "ngrm"],
            5,
            (
                "{root}/models/withdrawal/ngrm is no model: it holds no model.json. Pass a folder such as "
                "models/withdrawal/ngram, a models:/ address, or train with `dvc repro`."
            ),
        ),
    ],
)
def test_a_misspelt_name_is_refused_by_the_stages(run, finished, arguments, code, sentence):
    found = run(*arguments)
    assert (found.code, found.out) == (code, "")
    assert found.err == f"stancemap: {sentence.format(root=finished.root)}\n"


def test_a_misspelt_command_is_refused_with_the_nearest(run):
    found = run("predit", GO)
    assert (found.code, found.out) == (2, "")
    assert "No such command 'predit'. Did you mean 'predict'?" in found.err


class Interrupted:
    """A standard input at which Ctrl-C is pressed."""

    @property
    def buffer(self):
        """Never read to the end."""
        raise KeyboardInterrupt


STOPPED = "stancemap: stopped; finished steps are kept, the same command goes on from there\n"


def test_ctrl_c_ends_with_a_sentence_and_130(run, tmp_path, monkeypatch, capsys):
    put(tmp_path / "old.csv", "old")
    monkeypatch.setattr(sys, "argv", ["stancemap", "predict", "-", "--output", str(tmp_path / "old.csv")])
    monkeypatch.setattr(sys, "stdin", Interrupted())
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == STOPPED
    assert snapshot(tmp_path) == {"old.csv": b"old"}


# At the first look at standard input, the process says that it is ready to be interrupted.
WAITING = """
import sys, stancemap.cli
class Input:
    @property
    def buffer(self):
        print("ready", file=sys.stderr, flush=True)
        return sys.__stdin__.buffer
sys.stdin = Input()
stancemap.cli.main()
"""
PROCESS = [sys.executable, "-c", "import stancemap.cli; stancemap.cli.main()", "predict"]
QUICK = ("--model", "models/withdrawal/embedding-tiny")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupt_ends_a_process_with_130(finished):
    command = [sys.executable, "-c", WAITING, "predict", "-", *QUICK]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, cwd=finished.root, text=True, **pipes) as process:
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)
    assert (process.returncode, *said) == (130, "", STOPPED)


def test_a_reader_that_stops_reading_is_no_traceback(finished, tmp_path):
    path = put(tmp_path / "rows.jsonl", f'{{"text": "{GO}"}}\n' * 1000)
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*PROCESS, path, "--json", *QUICK], cwd=finished.root, text=True, **pipes) as process:
        assert json.loads(process.stdout.readline())["text"] == GO
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_real_process_answers(finished):
    command = [*PROCESS, "-", "--json", *QUICK]
    done = subprocess.run(command, input=GO.encode(), capture_output=True, cwd=finished.root, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["text"] == GO


def test_a_real_process_refuses(finished):
    done = subprocess.run([*PROCESS, "", *QUICK], capture_output=True, text=True, cwd=finished.root, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"stancemap: {EMPTY}\n")
