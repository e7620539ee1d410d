"""What `stancemap predict` reads and writes: every cell that came is there again, and no fault goes by unnamed."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stancemap.errors import DataError, InputError
from stancemap.tables import (
    Texts,
    check_output,
    from_article,
    json_lines,
    read_texts,
    refuse_columns,
    shown,
    which_file,
    write_rows,
)

KINDS = ["csv", "tsv", "jsonl", "parquet"]
GO = "The troops should go."
STAY = "They stay."


def read(path, text_column="text", target_column=None, target=None):
    """`read_texts` with the command line's defaults."""
    return read_texts(path, text_column, target_column, target)


def refusal(do, *args, error=InputError, **kwargs):
    """The message with which a function refuses."""
    with pytest.raises(error) as raised:
        do(*args, **kwargs)
    return str(raised.value)


def written(path, rows):
    """A file of the kind that its name says."""
    write_rows(path, rows)
    return path


def put(path, text):
    """A file of this text."""
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_gives_texts_rows_and_names(tmp_path, kind):
    rows = [{"id": "a", "text": GO}, {"id": "b", "text": STAY}]
    names = ["rows.jsonl:1: ", "rows.jsonl:2: "] if kind == "jsonl" else [f"rows.{kind}:row {n}: " for n in (1, 2)]
    found = read(written(tmp_path / f"rows.{kind}", rows))
    assert found == Texts([GO, STAY], [None, None], rows, names)


@pytest.mark.parametrize("kind", KINDS)
def test_one_target_counts_for_all_rows(tmp_path, kind):
    path = written(tmp_path / f"rows.{kind}", [{"text": GO}, {"text": STAY}])
    assert read(path, target="withdrawal").targets == ["withdrawal", "withdrawal"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_named_target_is_used(tmp_path, kind):
    path = written(tmp_path / f"rows.{kind}", [{"text": GO, "target": "x"}, {"text": STAY, "target": "y"}])
    assert read(path).targets == ["x", "y"]


def test_columns_may_have_other_names(tmp_path):
    path = put(tmp_path / "rows.csv", "sentence,aim\nThe troops should go.,withdrawal\n")
    found = read(path, "sentence", "aim")
    assert (found.texts, found.targets) == ([GO], ["withdrawal"])


@pytest.mark.parametrize("ending", ["CSV", "Tsv", "JSONL", "Txt"])
def test_the_case_of_an_ending_does_not_matter(tmp_path, ending):
    content = {"JSONL": '{"text": "They stay."}\n', "Txt": STAY}.get(ending, "text\nThey stay.\n")
    assert read(put(tmp_path / f"rows.{ending}", content)).texts == [STAY]


def test_a_byte_order_mark_belongs_to_no_column(tmp_path):
    for path in (put(tmp_path / "rows.csv", "\ufefftext\nThey stay.\n"), put(tmp_path / "a.txt", "\ufeffThey stay.")):
        assert read(path).texts == [STAY]


def test_cells_of_a_csv_are_never_taken_for_numbers_or_gaps(tmp_path):
    path = put(tmp_path / "rows.csv", "id,text,n\n007,NA,1e3\n1_0,null,nan\n")
    assert read(path).rows == [{"id": "007", "text": "NA", "n": "1e3"}, {"id": "1_0", "text": "null", "n": "nan"}]


def test_blank_lines_of_jsonl_are_passed_over_but_counted(tmp_path):
    path = put(tmp_path / "rows.jsonl", '\n{"text": "a"}\r\n\n  \n{"text": "b"}')
    assert read(path).names == ["rows.jsonl:2: ", "rows.jsonl:5: "]


def test_an_empty_cell_is_an_empty_text(tmp_path):
    assert read(put(tmp_path / "a.csv", "id,text\n1,\n2,b\n")).texts == ["", "b"]
    assert read(put(tmp_path / "a.jsonl", '{"text": null}\n{"id": 1}\n')).texts == ["", ""]


def test_empty_rows_are_passed_over_at_the_end_only(tmp_path):
    assert read(put(tmp_path / "a.csv", "text\na\n\n  \nb\n\n\n")).texts == ["a", "", "  ", "b"]
    assert read(put(tmp_path / "b.csv", "id,text\n1,a\n\n2,b\n,\n")).names == [
        f"b.csv:row {row}: " for row in (1, 2, 3)
    ]


def test_a_short_row_has_empty_cells(tmp_path):
    assert read(put(tmp_path / "a.csv", "text,note\nThey stay.\n")).rows == [{"text": STAY, "note": None}]


def test_values_of_parquet_keep_their_type(tmp_path):
    rows = [
        {"text": GO, "n": 2**62 + 1, "tags": ["a", "b"], "more": {"x": 1}, "f": 0.5, "b": True},
        {"text": STAY, "n": None, "tags": [], "more": None, "f": None, "b": None},
    ]
    assert read(written(tmp_path / "rows.parquet", rows)).rows == rows


def test_the_index_of_a_parquet_file_is_a_column(tmp_path):
    import pandas as pd

    pd.DataFrame({"text": [GO, STAY]}, index=pd.Index(["a", "b"], name="id")).to_parquet(tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet").rows == [{"id": "a", "text": GO}, {"id": "b", "text": STAY}]


def test_a_file_of_an_unknown_kind_is_refused(tmp_path):
    path = put(tmp_path / "notes.docx", "x")
    assert refusal(read, path) == (
        f"{path} is of a kind that cannot be read. Allowed: .txt, .jsonl, .csv, .tsv, .parquet. Rename the file, or "
        "pass the text itself."
    )


@pytest.mark.parametrize(("name", "content"), [("a.csv", "id,text\n"), ("a.tsv", "text\n\n"), ("a.jsonl", "\n\n")])
def test_a_table_without_rows_is_refused(tmp_path, name, content):
    path = put(tmp_path / name, content)
    assert refusal(read, path) == f"{path} holds no rows. Pass a file with at least one."


def test_a_missing_column_is_refused_with_the_nearest(tmp_path):
    path = put(tmp_path / "a.csv", "id,Text\n1,They stay.\n")
    assert refusal(read, path) == (
        f"{path} has no column 'text'. Allowed: Text, id (did you mean Text?). Name the right one with --text-column."
    )
    assert refusal(read, path, "Text", "aim") == (
        f"{path} has no column 'aim'. Allowed: Text, id. Name the right one with --target-column."
    )


def test_a_target_beside_a_column_of_targets_is_refused(tmp_path):
    path = put(tmp_path / "a.csv", "text,target\na,b\n")
    assert refusal(read, path, target="withdrawal") == (
        f"{path} has targets of its own, in the column 'target'. Drop --target, or rename the column."
    )


def test_a_column_that_the_answer_would_overwrite_is_refused(tmp_path):
    path = put(tmp_path / "a.csv", "text,target,aim\na,b,c\n")
    assert refusal(read, path, "text", "aim") == (
        f"{path} has a column 'target' beside 'aim'. Rename or drop it, so that it is not overwritten."
    )


@pytest.mark.parametrize("column", ["predicted", "p(neutral)"])
def test_a_table_of_answers_is_refused(tmp_path, column):
    path = put(tmp_path / "a.csv", f"text,{column}\na,b\n")
    assert refusal(read, path) == (
        f"{path} holds answers already, in the column {column!r}. Rename or drop the column, so that nothing is "
        "overwritten."
    )


def test_an_article_has_no_columns(tmp_path):
    path = put(tmp_path / "a.txt", STAY)
    assert refusal(read, path, "body") == f"{path} is no table and has no columns. Drop --text-column."
    assert refusal(read, path, "text", "aim") == f"{path} is no table and has no columns. Drop --target-column."


def test_options_for_columns_are_refused_for_what_is_no_table():
    refuse_columns("a text", "text", None)
    assert (
        refusal(refuse_columns, "a text", "body", "aim") == "a text is no table and has no columns. Drop --text-column."
    )


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.tsv"])
def test_a_file_in_another_encoding_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes("text\ncafé\n".encode("latin-1"))
    message = refusal(read, path, error=DataError)
    assert message == f"{path} is not UTF-8: byte 0xe9 at position 8. Save the file as UTF-8."


def test_a_file_in_utf_16_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffThey stay.".encode("utf-16-le"))
    assert refusal(read, path, error=DataError) == (
        f"{path} is not UTF-8: byte 0xff at position 0. Save the file as UTF-8."
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a"', "The line is no JSON: Expecting ',' delimiter. Got: '{\"text\": \"a\"'."),
        ("[1]", "The line is no JSON object. Got: [1]."),
        ('"a"', "The line is no JSON object. Got: 'a'."),
    ],
)
def test_a_line_that_is_no_json_object_is_named(tmp_path, line, reason):
    path = put(tmp_path / "a.jsonl", f'{{"text": "a"}}\n{line}\n')
    assert refusal(read, path, error=DataError) == f"a.jsonl:2: {reason}"


@pytest.mark.parametrize("line", ['{"text": "a", "n": ' + "1" * 5000 + "}", "[" * 200_000])
def test_json_that_python_cannot_hold_is_named(tmp_path, line):
    path = put(tmp_path / "a.jsonl", f"{line}\n")
    assert refusal(read, path, error=DataError).startswith("a.jsonl:1: The line is no JSON: ")


def test_a_sentence_with_a_bare_comma_is_refused_and_not_cut(tmp_path):
    path = put(tmp_path / "a.csv", "text\nTroops left, he said.\nThey stay, he said.\n")
    assert refusal(read, path, error=DataError) == (
        f"{path} cannot be read as csv: row 1 has more cells than the header; quote a cell that holds the separator."
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("text\na\nb,c\n", "Error tokenizing data. C error: Expected 1 fields in line 3, saw 2"),
        ("", "No columns to parse from file"),
    ],
)
def test_a_broken_csv_is_refused(tmp_path, content, reason):
    path = put(tmp_path / "a.csv", content)
    assert refusal(read, path, error=DataError) == f"{path} cannot be read as csv: {reason}."


def test_a_truncated_parquet_file_is_refused(tmp_path):
    path = written(tmp_path / "a.parquet", [{"text": GO}])
    path.write_bytes(path.read_bytes()[:-20])
    message = refusal(read, path, error=DataError)
    assert message.startswith(f"{path} cannot be read as parquet: ")
    assert message.endswith("not a parquet file.")


def test_an_article_is_split_into_sentences_with_offsets():
    text = "The troops should go.&quot;They stay,&quot; he said.\n\nNobody knows.\n"
    found = from_article(text, "a.txt", "withdrawal")
    assert found.texts == [GO, '"They stay," he said.', "Nobody knows."]
    assert found.targets == ["withdrawal"] * 3
    assert [text[row["start"] : row["end"]] for row in found.rows] == [
        GO,
        "&quot;They stay,&quot; he said.",
        "Nobody knows.",
    ]
    assert [row["text"] for row in found.rows] == found.texts
    assert found.names[0] == "a.txt:characters 0-21: "


@pytest.mark.parametrize("text", ["", " \n\n", "***\n42\n"])
def test_an_article_without_a_sentence_is_refused(text):
    assert refusal(from_article, text, "a.txt", None) == "a.txt holds no sentence. Pass a text with words in it."


def test_an_article_with_nul_is_refused():
    assert refusal(from_article, "The tr\0oops left.", "a.txt", None) == (
        "a.txt: The text holds NUL, U+0000 at index 6; a binary file or a wrong encoding is likely. Allowed: text. "
        "Open the file with the encoding it was written in, such as utf-16."
    )


def test_an_article_may_be_longer_than_a_sentence():
    assert len(from_article(f"{GO}\n\n" * 2000, "a.txt", None).texts) == 2000


def test_the_name_of_a_file_means_the_file(tmp_path, monkeypatch):
    put(tmp_path / "two words.txt", STAY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert which_file("two words.txt").samefile(tmp_path / "two words.txt")
    assert which_file("~/two words.txt").samefile(tmp_path / "two words.txt")
    assert which_file(str(tmp_path / "two words.txt")).samefile(tmp_path / "two words.txt")


@pytest.mark.parametrize(
    "text",
    [
        "They stay.",
        "Leave.",
        "Leave!",
        "U.S.",
        "~300 soldiers left.",
        "and/or they stay",
        "",
        "   ",
        "He wrote it in report.csv.",
        "word " * 2000,
        "a\nb",
    ],
)
def test_a_text_means_itself(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert which_file(text) is None


@pytest.mark.parametrize(
    "name", ["missing.csv", "my missing.txt", "missing.docx", "articles/missing", "~nobody-of-that-name/a.csv"]
)
def test_the_name_of_a_missing_file_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(which_file, name) == (
        f"There is no file {name!r}. Mend the name; a text that looks like one wants a full stop."
    )


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "a.csv").mkdir()
    assert refusal(which_file, str(tmp_path / "a.csv")) == (
        f"{tmp_path / 'a.csv'} is a folder. Pass a text, a file, or - for standard input."
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_is_no_ordinary_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert refusal(which_file, str(tmp_path / "pipe.csv")) == (
        f"{tmp_path / 'pipe.csv'} is no ordinary file. Pass a text, a file, or - for standard input."
    )


def test_a_link_that_leads_in_a_circle_is_refused(tmp_path):
    (tmp_path / "a.csv").symlink_to(tmp_path / "a.csv")
    assert refusal(which_file, str(tmp_path / "a.csv")).startswith(f"{tmp_path / 'a.csv'} cannot be read: ")


# A row without text is refused before it is written, and an empty cell of a CSV comes back as None.
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
@pytest.mark.parametrize("kind", KINDS)
def test_every_cell_of_text_survives_a_round_trip(tmp_path, kind, cells):
    rows = [{"text": text, "note, with\ta tab": note} for text, note in cells]
    assert read(written(tmp_path / f"a.{kind}", rows)).rows == rows


def test_numbers_lists_and_gaps_are_written_as_they_came(tmp_path):
    rows = [{"text": GO, "n": 1, "tags": ["é"], "more": {"x": None}}, {"text": STAY, "m": 1.5}]
    write_rows(tmp_path / "a.csv", rows)
    write_rows(tmp_path / "a.jsonl", rows)
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == (
        'text,n,tags,more,m\nThe troops should go.,1,"[""é""]","{""x"": null}",\nThey stay.,,,,1.5\n'
    )
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == (
        '{"text": "The troops should go.", "n": 1, "tags": ["é"], "more": {"x": null}}\n'
        '{"text": "They stay.", "m": 1.5}\n'
    )


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_half_a_surrogate_pair_is_written_as_an_escape(tmp_path, kind):
    write_rows(tmp_path / f"a.{kind}", [{"text": GO, "note": "\ud800"}])
    assert "\\ud800" in (tmp_path / f"a.{kind}").read_text(encoding="utf-8")


def test_json_lines_can_be_read_again_to_the_last_half_of_a_pair():
    rows = [{"text": "é \u2028\r\n", "note": "\ud800 🪖"}]
    assert [json.loads(line) for line in json_lines(rows).split("\n")[:-1]] == rows
    assert json_lines(rows).encode("utf-8").count(b"\n") == 1


def test_values_without_json_are_written_as_text(tmp_path):
    import datetime as dt

    assert json_lines([{"day": dt.date(2026, 11, 23)}]) == '{"day": "2026-11-23"}\n'


@pytest.mark.parametrize("value", ["x", "\ud800"])
def test_a_column_that_parquet_cannot_hold_is_refused_and_nothing_written(tmp_path, value):
    (tmp_path / "a.parquet").write_bytes(b"old")
    message = refusal(write_rows, tmp_path / "a.parquet", [{"text": GO, "n": 1}, {"text": STAY, "n": value}])
    assert message.startswith("The column 'n' cannot be written as Parquet: ")
    assert message.endswith(". Write .jsonl, which holds values of any kind.")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.parquet": b"old"}


def test_an_older_file_is_replaced(tmp_path):
    put(tmp_path / "a.jsonl", "old\n" * 100)
    write_rows(tmp_path / "a.jsonl", [{"text": GO}])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.jsonl": f'{{"text": "{GO}"}}\n'}


def test_a_write_that_is_stopped_leaves_the_old_file_and_no_draft(tmp_path):
    class Stop:
        def __str__(self):
            raise KeyboardInterrupt

    put(tmp_path / "a.csv", "old")
    with pytest.raises(KeyboardInterrupt):
        write_rows(tmp_path / "a.csv", [{"text": GO}, {"text": Stop()}])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.csv": "old"}


def test_a_long_name_can_be_written(tmp_path):
    path = tmp_path / ("a" * 250 + ".csv")
    check_output(path)
    write_rows(path, [{"text": GO}])
    assert path.read_text() == f"text\n{GO}\n"


@pytest.mark.parametrize("name", ["a.xlsx", "a.txt", "a"])
def test_an_output_of_an_unknown_kind_is_refused(tmp_path, name):
    assert refusal(check_output, tmp_path / name) == (
        f"{tmp_path / name} is of a kind that cannot be written. Allowed: .jsonl, .csv, .tsv, .parquet."
    )


def test_an_output_in_a_missing_folder_is_refused(tmp_path):
    assert refusal(check_output, tmp_path / "no" / "a.csv") == (
        f"There is no folder {tmp_path / 'no'}. Make it, or write elsewhere."
    )


def test_an_output_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "a.csv").mkdir()
    assert refusal(check_output, tmp_path / "a.csv") == f"{tmp_path / 'a.csv'} is a folder. Name a file."


def test_an_output_whose_name_is_too_long_is_refused(tmp_path):
    path = tmp_path / ("a" * 300 + ".csv")
    assert refusal(write_rows, path, [{"text": GO}]).startswith(f"{path} cannot be written: ")


def test_checking_an_output_leaves_nothing(tmp_path):
    put(tmp_path / "old.csv", "old")
    check_output(tmp_path / "new.csv")
    check_output(tmp_path / "old.csv")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old.csv": "old"}


def screen(rows, **kwargs):
    """What a screen of 60 columns shows."""
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), width=60)
    console.print(shown(rows, **kwargs))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def answer(text, target="withdrawal", pro=0.75):
    """A row as `answer_texts` gives it."""
    rest = (1 - pro) / 2
    found = {"p(pro)": pro, "p(anti)": rest, "p(neutral)": rest}
    return {"text": text, "target": target, "predicted": "pro" if pro > rest else "anti", **found}


def test_the_screen_shows_stance_probability_and_sums():
    assert screen([answer(GO), answer("[bold]They[/] stay.", pro=0.2)]) == [
        " text                   stance  p",
        " The troops should go.  pro     0.75  ━━━━━━",
        " [bold]They[/] stay.    anti    0.40  ━━━",
        "on withdrawal: 1 pro, 1 anti, 0 neutral",
    ]


def test_the_screen_shows_targets_when_they_differ():
    assert screen([answer(GO, "one"), answer(STAY, "two")]) == [
        " text                   target  stance  p",
        " The troops should go.  one     pro     0.75  ━━━━━━",
        " They stay.             two     pro     0.75  ━━━━━━",
        "2 pro, 0 anti, 0 neutral",
    ]


def test_the_screen_is_spared_what_would_control_it():
    row = {**answer(""), "body": "They\r\n\x9b31m stay."}
    assert screen([row], text_column="body")[1] == " They ›31m stay.  pro     0.75  ━━━━━━"


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_target_is_the_generic_one(tmp_path, kind):
    path = written(tmp_path / f"rows.{kind}", [{"text": GO, "target": None}, {"text": STAY, "target": "y"}])
    assert read(path).targets == [None, "y"]


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = put(tmp_path / "rows.csv", "text,note,text\na,b,c\n")
    assert refusal(read, path, error=DataError) == f"{path} cannot be read as csv: two columns are named 'text'."
