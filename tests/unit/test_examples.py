"""A wrong row or file of a dataset stops the reading with its place; right ones are equal whatever their format."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stancemap.config import Dataset
from stancemap.datasets import jsonl, table
from stancemap.datasets.base import read_raw, readers
from stancemap.errors import ConfigError, DataError
from stancemap.examples import TAGS, Example, parse_rows
from stancemap.repair import check_text
from stancemap.schema import parse

CONFIG = {
    "title": "Stance on leaving",
    "reader": "jsonl",
    "files": ["*"],
    "labels": {"pro": "favor", "anti": "against", "none": "neutral"},
    "target": {"generic": "leaving the base"},
    "licence": "MIT",
}
ROW = {
    "id": "a1",
    "text": "They should go home.",
    "target": "leaving the harbour",
    "label": "pro",
    "holder": "the mayor",
    "document": "d1",
    "genre": "news",
    "tags": ["hedge", "quote"],
    "coders": ["pro", "none"],
}
LABELS = "Allowed: anti, none, pro"
LENGTH = "Allowed: a string of 1 to 10,000 characters."
FILL = "Fill it in or drop the row."


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of raw files, `raw` below the current one."""
    monkeypatch.chdir(tmp_path)
    raw = Path("raw")
    raw.mkdir()
    return raw


def load(folder, **config):
    dataset = parse({**CONFIG, **config}, Dataset, "some.yaml")
    return parse_rows(read_raw(dataset, folder), dataset, check_text)


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def refused(folder, content, *, name="some.jsonl", **config):
    content = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    (folder / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        load(folder, **config)
    return str(error.value)


def test_a_right_row_becomes_an_example(folder):
    (folder / "some.jsonl").write_text(lines(ROW))

    assert load(folder) == [Example(**ROW, source="some")]


def test_fields_that_a_row_lacks_get_their_stand_ins(folder):
    (folder / "some.jsonl").write_text("\n" + lines({"text": "Go home.", "label": "pro"}))

    where = "some.jsonl:2"
    assert load(folder) == [
        Example(id=where, text="Go home.", target="leaving the base", label="pro", document=where, source="some")
    ]


def test_columns_are_renamed_as_the_config_says(folder):
    (folder / "some.jsonl").write_text(lines({"tweet": "Go home.", "stance": "pro", "thread": "t1", "id": 5}))

    columns = {"id": None, "text": "tweet", "label": "stance", "document": "thread"}
    (example,) = load(folder, columns=columns)

    assert (example.id, example.text, example.label, example.document) == ("some.jsonl:1", "Go home.", "pro", "t1")


def test_columns_that_nobody_asked_for_are_passed_over(folder):
    (folder / "some.jsonl").write_text(lines({**ROW, "likes": 12}))

    assert load(folder) == [Example(**ROW, source="some")]


def test_a_column_that_the_config_names_and_no_row_has_is_refused(folder):
    message = refused(folder, lines(ROW), columns={"document": "documnt"})

    assert message == (
        "No row has the column. Got: 'documnt'. Allowed: coders, document, genre, holder, id, label, tags, target, "
        "text (did you mean document?). Mend `columns.document` in the dataset's config."
    )


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("prro", f"label: the label is unknown. Got: 'prro'. {LABELS} (did you mean pro?)."),
        ("PRO", f"label: the label is unknown. Got: 'PRO'. {LABELS} (did you mean pro?)."),
        ("favor", f"label: the label is unknown. Got: 'favor'. {LABELS}."),
        ("", f"label: the label is unknown. Got: ''. {LABELS}."),
        (1, "label: Input should be a valid string. Got: 1."),
        (["pro"], "label: Input should be a valid string. Got: ['pro']."),
        (None, "label: Input should be a valid string."),
    ],
)
def test_an_unknown_label_names_file_and_line(folder, label, message):
    assert refused(folder, lines(ROW, {**ROW, "id": "a2", "label": label})) == f"some.jsonl:2: {message}"


def test_an_unknown_label_of_a_coder_is_refused(folder):
    message = f"some.jsonl:1: coders: the label is unknown. Got: 'prx'. {LABELS} (did you mean pro?)."
    assert refused(folder, lines({**ROW, "coders": ["pro", "prx"]})) == message


@pytest.mark.parametrize("field", ["text", "label"])
def test_a_missing_field_names_file_and_line(folder, field):
    row = {key: value for key, value in ROW.items() if key != field}
    message = f"some.jsonl:2: {field}: the field is missing. Got: '{', '.join(row)}'. Allowed: text, label."
    assert refused(folder, lines(ROW, row)) == message


def test_a_row_without_any_field_is_refused(folder):
    message = "some.jsonl:1: text: the field is missing. Got: 'no field'. Allowed: text, label."
    assert refused(folder, lines({})) == message


def test_a_duplicate_id_names_both_lines(folder):
    message = "some.jsonl:2: id: the id stands twice. Got: 'a1'. It stands in some.jsonl:1 too."
    assert refused(folder, lines(ROW, {**ROW, "text": "They should stay."})) == message


def test_a_duplicate_id_is_seen_across_files(folder):
    (folder / "first.jsonl").write_text(lines(ROW))
    message = "some.jsonl:1: id: the id stands twice. Got: 'a1'. It stands in first.jsonl:1 too."
    assert refused(folder, lines(ROW)) == message


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("id", 5, "id: Input should be a valid string. Got: 5."),
        ("id", "", "id: String should have at least 1 character. Got: ''."),
        ("document", None, "document: Input should be a valid string."),
        ("target", "", "target: String should have at least 1 character. Got: ''."),
        (
            "target",
            " \t",
            f"target: The text holds nothing but spaces and invisible characters. Got: ' \\t'. {LENGTH} {FILL}",
        ),
        ("holder", 4, "holder: Input should be a valid string. Got: 4."),
        ("tags", 5, "tags: Input should be a valid list. Got: 5."),
        ("tags", {"hedge": 1}, "tags: Input should be a valid list. Got: {'hedge': 1}."),
        ("tags", [1], "tags.0: Input should be a valid string. Got: 1."),
        ("coders", [["pro"]], "coders.0: Input should be a valid string. Got: ['pro']."),
    ],
)
def test_a_field_of_a_wrong_type_is_refused(folder, field, value, message):
    assert refused(folder, lines({**ROW, field: value})) == f"some.jsonl:1: {message}"


def test_an_unknown_tag_is_answered_with_the_nearest_right_one(folder):
    allowed = f"{', '.join(sorted(TAGS))} (did you mean hedge?)"
    message = f"some.jsonl:1: tags: the tag is unknown. Got: 'hedg'. Allowed: {allowed}."
    assert refused(folder, lines({**ROW, "tags": ["quote", "hedg"]})) == message


def test_tags_may_stand_in_one_string(folder):
    (folder / "some.jsonl").write_text(lines({**ROW, "tags": "hedge quote"}))

    assert load(folder)[0].tags == ["hedge", "quote"]


LIKELY = "a binary file or a wrong encoding is likely. Allowed: text. Open the file with the encoding it was written in"
UNREADABLE = [
    ("", f"The text is empty. Got: ''. {LENGTH} {FILL}"),
    (" \t ", f"The text holds nothing but spaces and invisible characters. Got: ' \\t '. {LENGTH} {FILL}"),
    (
        "a" * 1_000_000,
        (
            f"The text is too long: it has 1,000,000 characters. {LENGTH} Split it into sentences; "
            "`stancemap predict FILE.txt` splits an article at sentence ends and line ends."
        ),
    ),
    ("ab\x00c", f"The text holds NUL, U+0000 at index 2; {LIKELY}, such as utf-16."),
    (
        "a\x07b",
        (
            "The text holds the control character U+0007 at index 1. Allowed: of control characters only tab, newline, "
            "carriage return, form feed and vertical tab. Remove it."
        ),
    ),
    (
        "ab\udc80",
        f"The text holds a byte that could not be decoded, U+DC80 at index 2; {LIKELY}, such as windows-1252.",
    ),
    (None, f"The text is missing. {LENGTH} {FILL}"),
    (5, f"The text is no string but of type int. Got: 5. {LENGTH} Pass the sentence itself."),
]


@pytest.mark.parametrize(("text", "message"), UNREADABLE, ids=[message[:24] for _, message in UNREADABLE])
def test_an_unreadable_text_names_file_and_line(folder, text, message):
    content = lines(ROW) + json.dumps({**ROW, "id": "a2", "text": text}) + "\n"
    assert refused(folder, content) == f"some.jsonl:2: text: {message}"


def test_all_faults_of_a_row_are_told_at_once(folder):
    assert refused(folder, lines({**ROW, "id": 5, "text": "", "label": "x", "coders": ["y"]})) == (
        "some.jsonl:1: id: Input should be a valid string. Got: 5.\n"
        f"some.jsonl:1: text: The text is empty. Got: ''. {LENGTH} {FILL}\n"
        f"some.jsonl:1: label: the label is unknown. Got: 'x'. {LABELS}.\n"
        f"some.jsonl:1: coders: the label is unknown. Got: 'y'. {LABELS}."
    )


def fault(line):
    return f"some.jsonl:{line}: label: the label is unknown. Got: 'x'. {LABELS}."


def test_twenty_faults_are_listed_in_full(folder):
    content = lines(*({**ROW, "id": f"a{number}", "label": "x"} for number in range(20)))
    assert refused(folder, content) == "\n".join(fault(line) for line in range(1, 21))


def test_more_than_twenty_faults_are_summed_up(folder):
    content = lines(*({**ROW, "id": f"a{number}", "label": "x"} for number in range(23)))
    assert refused(folder, content) == "\n".join([*(fault(line) for line in range(1, 21)), "... and 3 more"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{bad}", "The line is no JSON: Expecting property name enclosed in double quotes. Got: '{bad}'."),
        ('{"id": "a1"', "The line is no JSON: Expecting ',' delimiter. Got: '{\"id\": \"a1\"'."),
        ("[1, 2]", "The line is no JSON object. Got: [1, 2]."),
        ("null", "The line is no JSON object."),
    ],
)
def test_a_bad_json_line_names_file_and_line(folder, line, message):
    assert refused(folder, lines(ROW) + line + "\n") == f"some.jsonl:2: {message}"


@pytest.mark.parametrize("line", ["[" * 100_000, '{"id": ' + "9" * 5_000 + "}"])
def test_json_that_the_parser_gives_up_on_is_refused_too(folder, line):
    assert refused(folder, line).startswith("some.jsonl:1: The line is no JSON: ")


def test_blank_lines_are_passed_over_and_counted(folder):
    content = "\n  \n" + lines({**ROW, "label": "x"})
    assert refused(folder, content) == fault(3)


def test_a_file_that_is_not_utf_8_names_byte_and_position(folder):
    content = lines(ROW).encode() + '{"text": "café"}'.encode("latin-1")
    position = content.index(b"\xe9")
    message = f"raw/some.jsonl is not UTF-8: byte 0xe9 at position {position}. Save the file as UTF-8."
    assert refused(folder, content) == message


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(folder):
    (folder / "some.jsonl").write_bytes(b"\xef\xbb\xbf" + lines(ROW).replace("\n", "\r\n").encode())

    assert load(folder) == [Example(**ROW, source="some")]


def test_a_line_separator_inside_a_text_ends_no_line(folder):
    row = {**ROW, "text": "They should go\u2028home\x85now."}
    (folder / "some.jsonl").write_text(lines(row), encoding="utf-8")

    assert load(folder) == [Example(**row, source="some")]


def test_files_are_read_in_the_order_of_their_names(folder):
    for name in ("c", "a", "b"):
        (folder / f"{name}.jsonl").write_text(lines({**ROW, "id": name}))

    assert [example.id for example in load(folder, files=["b.*", "*.jsonl"])] == ["a", "b", "c"]


def test_a_folder_that_a_pattern_matches_is_no_file(folder):
    (folder / "some.jsonl").write_text(lines(ROW))
    (folder / "older").mkdir()

    assert load(folder) == [Example(**ROW, source="some")]


def test_no_matching_file_is_refused(folder):
    message = "No file in raw matches *.csv, *.tsv. Put the dataset's files there, or mend `files` in its config."
    assert refused(folder, lines(ROW), files=["*.csv", "*.tsv"]) == message


def test_the_readers_are_the_files_of_the_folder_datasets():
    assert readers() == ["jsonl", "table"]


@pytest.mark.parametrize(("reader", "hint"), [("jsnl", " (did you mean jsonl?)"), ("base", ""), ("os", "")])
def test_an_unknown_reader_is_refused_with_the_nearest_right_one(folder, reader, hint):
    with pytest.raises(ConfigError) as error:
        load(folder, reader=reader)

    assert str(error.value) == f"There is no such reader. Got: {reader!r}. Allowed: jsonl, table{hint}."


def test_a_missing_file_is_refused():
    with pytest.raises(DataError) as error:
        list(jsonl.read_file(Path("nowhere.jsonl")))

    assert str(error.value) == "nowhere.jsonl cannot be read: No such file or directory."


PLAIN = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
rows = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.text(PLAIN, max_size=20).map(lambda text: f"So{text}"),
            "target": st.sampled_from(["leaving", "leaving, at once", 'the "base"']),
            "label": st.sampled_from(["pro", "anti", "none"]),
            "holder": st.sampled_from([None, "the mayor", "NA", "null"]),
            "document": st.sampled_from(["d1", "d2", "007"]),
            "tags": st.lists(st.sampled_from(TAGS), max_size=3, unique=True),
            "coders": st.lists(st.sampled_from(["pro", "anti", "none"]), max_size=2),
        }
    ),
    min_size=1,
    max_size=5,
)


def write_table(path, content):
    if path.suffix == ".parquet":
        pd.DataFrame(content).to_parquet(path)
        return
    joined = [{**row, "tags": " ".join(row["tags"]), "coders": " ".join(row["coders"])} for row in content]
    pd.DataFrame(joined).to_csv(path, sep=table.ENDINGS[path.suffix], index=False, encoding="utf-8")


@settings(derandomize=True, deadline=None, max_examples=30)
@given(rows)
def test_a_table_says_the_same_as_json_lines(tmp_path_factory, found):
    found = [{"id": f"a{number}", **row} for number, row in enumerate(found)]
    folder = tmp_path_factory.mktemp("raw")
    (folder / "some.jsonl").write_text(lines(*found), encoding="utf-8")
    for ending in table.ENDINGS:
        write_table(folder / f"some{ending}", found)

    expected = load(folder, files=["*.jsonl"])

    assert expected == [Example(**row, source="some") for row in found]
    assert load(folder, reader="table", files=["*.csv"]) == expected
    assert load(folder, reader="table", files=["*.tsv"]) == expected
    assert load(folder, reader="table", files=["*.parquet"]) == expected


def test_a_bad_row_of_a_csv_names_file_and_row(folder):
    content = "id,text,label\n1,Go home.,pro\n2,Go home!,x\n3,,anti\n"
    assert refused(folder, content, name="some.csv", reader="table") == (
        f"some.csv:row 2: label: the label is unknown. Got: 'x'. {LABELS}.\n"
        "some.csv:row 3: text: the field is missing. Got: 'id, label'. Allowed: text, label."
    )


def test_an_unreadable_text_of_a_csv_names_file_and_row(folder):
    message = (
        "some.csv:row 1: text: The text holds the control character U+0007 at index 1. Allowed: of control "
        "characters only tab, newline, carriage return, form feed and vertical tab. Remove it."
    )
    assert refused(folder, "text,label\na\x07b,pro\n", name="some.csv", reader="table") == message


def test_a_csv_without_the_column_of_the_config_says_which_it_has(folder):
    message = "some.csv:row 1: tweet: the field is missing. Got: 'text, label'. Allowed: tweet, label."
    content = "text,label\nGo home.,pro\n"
    assert refused(folder, content, name="some.csv", reader="table", columns={"text": "tweet"}) == message


def test_words_that_pandas_takes_for_missing_stay_words(folder):
    (folder / "some.csv").write_text("text,label\nNA,pro\nnull,none\n")

    assert [example.text for example in load(folder, reader="table")] == ["NA", "null"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "some.csv",
            "text,label\ncafé,pro\n".encode("latin-1"),
            "raw/some.csv is not UTF-8: byte 0xe9 at position 14. Save the file as UTF-8.",
        ),
        ("some.csv", b"", "raw/some.csv cannot be read as csv: No columns to parse from file."),
        (
            "some.csv",
            b"text,label\na,pro\nb, c,pro\n",
            "raw/some.csv cannot be read as csv: Error tokenizing data. C error: Expected 2 fields in line 3, saw 3.",
        ),
        (
            "some.csv",
            b"text,label\nGo, at once.,pro\nStay.,none\n",
            (
                "raw/some.csv cannot be read as csv: row 1 has more cells than the header; "
                "quote a cell that holds the separator."
            ),
        ),
        (
            "some.tsv",
            b'text\tlabel\n"Go\tpro\n',
            "raw/some.tsv cannot be read as tsv: Error tokenizing data. C error: EOF inside string starting at row 1.",
        ),
        (
            "some.parquet",
            b"no Parquet at all",
            (
                "raw/some.parquet cannot be read as parquet: Could not open Parquet input source 'raw/some.parquet': "
                "Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file."
            ),
        ),
        ("some.xlsx", b"", "raw/some.xlsx is no table that can be read. Allowed: .csv, .tsv, .parquet."),
    ],
)
def test_a_table_that_cannot_be_read_says_why(folder, name, content, message):
    assert refused(folder, content, name=name, reader="table") == message
