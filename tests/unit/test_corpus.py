"""The corpus that the repository ships keeps the promises of its data card."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from stancemap.config import Dataset
from stancemap.examples import parse_rows
from stancemap.repair import check_text, repair
from stancemap.schema import read
from tools.card import corpus, written

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "data" / "withdrawal"
LABELS = ("pro-withdrawal", "anti-withdrawal", "neutral")
FIELDS = ("id", "text", "target", "label", "holder", "document", "genre", "tags")
GENRES = {
    *("analysis", "briefing", "cable", "contrast", "debate", "floor speech", "history", "interview"),
    *("machine-translated", "news", "opinion", "report", "scraped", "social media", "speech", "statement"),
}
FORMATTING = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}  # Unicode's control, invisible, private and line-break marks
# Names that everybody knows, so that words invented for them would be taken for theirs.
WELL_KNOWN = (
    "Trump|Biden|Obama|Pompeo|Bolton|Blinken|Rumsfeld|Petraeus|Putin|Lavrov|Macron|Merkel|Erdogan|Netanyahu|Karzai|"
    "Ghani|Maliki|Zelensky|Assad|Khamenei|Soleimani|Hollande|Kissinger|Nixon|Reagan|McCain|Pelosi"
)
SAYING = "said|says|told|tells|warned|argued|insisted|added|wrote|vowed|urged|demanded|promised|asked|declared"


@pytest.fixture(scope="module")
def lines():
    """The lines of each file, by register."""
    return {path.stem: path.read_text("utf-8").split("\n") for path in sorted(FOLDER.glob("*.jsonl"))}


@pytest.fixture(scope="module")
def registers(lines):
    """The rows of each file, by register."""
    return {name: [json.loads(line) for line in some if line] for name, some in lines.items()}


@pytest.fixture(scope="module")
def rows(registers):
    return [row for some in registers.values() for row in some]


@pytest.fixture(scope="module")
def card():
    return (FOLDER / "README.md").read_text("utf-8")


def prefix(row):
    return re.match(r".+?(?=[-_]\d)", row["id"])[0]


def test_every_line_is_one_object_with_the_fields_in_order_and_ends_the_same_way(lines):
    wrong = []
    for name, some in lines.items():
        assert some[-1] == "", f"{name}.jsonl does not end with a newline"
        for number, line in enumerate(some[:-1], 1):
            row = json.loads(line)
            optional = ("coders",) if "coders" in row else ()
            if tuple(row) != FIELDS + optional or json.dumps(row, ensure_ascii=False) != line:
                wrong.append(f"{name}.jsonl:{number}")
    assert wrong == []


def test_prepare_would_take_every_row(registers, rows):
    dataset = read(ROOT / "configs" / "datasets" / "withdrawal.yaml", Dataset)
    raw = ((f"{name}:{number}", row) for name, some in registers.items() for number, row in enumerate(some, 1))
    assert len(parse_rows(raw, dataset, check_text)) == len(rows)


def test_ids_are_unique(rows):
    assert [name for name, count in Counter(row["id"] for row in rows).items() if count > 1] == []


def test_the_ids_of_a_file_begin_alike_and_no_two_files_share_a_beginning(registers):
    found = {name: {prefix(row) for row in some} for name, some in registers.items()}
    shared = Counter(one for some in found.values() for one in some)
    assert {name: some for name, some in found.items() if len(some) > 1} == {}
    assert [one for one, count in shared.items() if count > 1] == []


def test_a_document_stands_in_one_file(registers):
    homes = defaultdict(set)
    for name, some in registers.items():
        for row in some:
            homes[row["document"]].add(name)
    assert {document: names for document, names in homes.items() if len(names) > 1} == {}


def test_genres_are_the_known_sixteen(rows):
    assert {row["genre"] for row in rows} == GENRES


def test_every_register_uses_every_label_for_a_tenth_of_its_rows_at_least(registers):
    rare = {
        (name, label)
        for name, some in registers.items()
        for label in LABELS
        if sum(row["label"] == label for row in some) < len(some) / 10
    }
    assert rare == set()


def test_no_field_holds_control_or_invisible_characters(rows):
    marked = [
        (row["id"], field, f"U+{ord(character):04X}")
        for row in rows
        for field in ("id", "text", "target", "holder", "document")
        for character in row[field] or ""
        if unicodedata.category(character) in FORMATTING
    ]
    assert marked == []


def test_no_field_is_blank_or_begins_or_ends_with_a_space(rows):
    fields = ("id", "text", "target", "holder", "document")
    assert [(row["id"], field) for row in rows for field in fields if row[field] is not None and not row[field]] == []
    assert [
        (row["id"], field) for row in rows for field in fields if row[field] and row[field] != row[field].strip()
    ] == []


def test_no_row_names_a_tag_twice(rows):
    assert [row["id"] for row in rows if len(set(row["tags"])) < len(row["tags"])] == []


def test_a_row_with_coders_has_two_at_least_and_a_label_that_one_of_them_gave(rows):
    coded = [row for row in rows if "coders" in row]
    assert [row["id"] for row in coded if len(row["coders"]) < 2 or row["label"] not in row["coders"]] == []


def test_the_same_words_stand_twice_only_with_two_targets(rows):
    words = Counter((re.sub(r"\W+", " ", repair(row["text"]).text).casefold().strip(), row["target"]) for row in rows)
    assert [text for (text, _), count in words.items() if count > 1] == []


def test_no_two_rows_of_a_target_and_label_share_four_fifths_of_their_pairs_of_words(rows):
    """Of rows with ten pairs at least; shorter ones may stand as a phrase in a longer one."""
    pairs = [set(pairwise(re.findall(r"\w+", row["text"].casefold()))) for row in rows]
    holders = defaultdict(list)
    for index, row in enumerate(rows):
        for pair in pairs[index] if len(pairs[index]) >= 10 else ():
            holders[row["target"], row["label"], pair].append(index)
    shared = Counter(couple for some in holders.values() for couple in combinations(some, 2))
    near = [(i, j) for (i, j), count in shared.items() if count > 0.8 * min(len(pairs[i]), len(pairs[j]))]
    assert [(rows[i]["id"], rows[j]["id"]) for i, j in near] == []


def test_no_well_known_person_is_given_words(rows):
    speaks = re.compile(rf"\b(?:{WELL_KNOWN}) (?:{SAYING})\b|\b(?:{SAYING}) (?:\w+ )?(?:{WELL_KNOWN})[.,]?$")
    held = re.compile(rf"\b(?:{WELL_KNOWN})\b(?! administration)")
    assert [row["id"] for row in rows if speaks.search(row["text"]) or held.search(row["holder"] or "")] == []


def test_the_numbers_of_the_data_card_are_what_the_files_hold(card):
    assert written(card, corpus()) == card


def test_a_data_card_without_a_place_for_a_number_is_refused():
    with pytest.raises(
        ValueError, match=r"^the data card needs one <!-- size --> and one <!-- /size -->; it has 0 pairs$"
    ):
        written("# Data card", corpus())


def test_the_data_card_describes_every_field_and_no_other(card):
    assert tuple(re.findall(r"^\| `(\w+)` \| \w", card, re.MULTILINE)) == (*FIELDS, "coders")
