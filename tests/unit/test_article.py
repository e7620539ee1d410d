"""`split_sentences` finds the sentences of an article, and where they stood."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stancemap.article import Sentence, split_sentences
from stancemap.repair import repair

WORDS = ["Gen. Roe left.", "We stay", "the U.S. force", "He said", "2014.The", "(AP)", "é", "Low", "2,000."]
MARKS = [*'“ ” . ? ! — *** ___ "'.split(), "; ", ". ", " ", "  ", "\n", "\n\n", "\r\n", "\f", "\xad", "\u200b"]
NOISE = ["&quot;", ",quot;", "& # 39;", "&nbsp;", "â€œ", "â€\x9d"]
plain_articles = st.lists(st.sampled_from(WORDS + MARKS), max_size=40).map("".join)
articles = st.lists(st.sampled_from(WORDS + MARKS + NOISE), max_size=40).map("".join)


@pytest.mark.parametrize(
    "sentences",
    [
        ["U.S. Gen. Roe spoke of peace.", "Sen. Ana Low and Reps. Joe Dee and Ann Fay left."],
        ["Two days later Lt. Col. Roe came.", "Maj. Gen. Low stayed.", "Lt. Gov. Poe agreed."],
        ["The base is in the U.S.", "He said it would close at 9 p.m.", "They agreed by Dec.", "She left."],
        ["It was 9 a.m. Friday.", "It cost $3.5 billion.", "No. 3 platoon left on Jan. 4.", "Two stayed."],
        ['"Go home.', 'We will not wait," he said.', '"We stay."', '"No," she said.'],
        ["“Go home.", "We will not wait,” he said.", "“We stay.”", "He left."],
        ['He asked: "Why stay?"', "The crowd cheered.", '"Out now!" they cried.'],
        ["NORTHPORT (AP) — The force left.", "(He denied it.)", "The plan (for now) stands."],
        ["They argued; The end came.", "The force... stayed on.", "Nobody knows..."],
        ["How many left? 2,000.", "He knew."],
        ["They left . ", '" We stay . " ', "He said so ."],
    ],
)
def test_sentences_of_the_news_are_told_apart(sentences: list[str]) -> None:
    found = split_sentences(" ".join(sentence.strip() for sentence in sentences))

    assert [sentence.text for sentence in found] == [sentence.strip() for sentence in sentences]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "They left in 2014.The rest stayed.",
            [Sentence("They left in 2014.", 0, 18), Sentence("The rest stayed.", 18, 34)],
        ),
        (
            'He left."We stay," she said.',
            [Sentence("He left.", 0, 8), Sentence('"We stay," she said.', 8, 28)],
        ),
        (
            "&quot;We stay. We win.&quot; He left.",
            [Sentence('"We stay.', 0, 14), Sentence('We win."', 15, 28), Sentence("He left.", 29, 37)],
        ),
        (
            "â€œWe stay.â€\x9dHe left.",
            [Sentence("“We stay.”", 0, 14), Sentence("He left.", 14, 22)],
        ),
        (
            "It ended ,quot;well,quot;.  He & # 39;left& # 39;.",
            [Sentence('It ended "well".', 0, 26), Sentence("He 'left'.", 28, 50)],
        ),
    ],
)
def test_noise_neither_hides_an_end_nor_moves_an_offset(text: str, sentences: list[Sentence]) -> None:
    assert split_sentences(text) == sentences


def test_a_headline_and_a_byline_are_sentences_of_their_own() -> None:
    text = "Council wants troops out\nBy Ana Roe\n\nThe council voted.\nIt was close."

    assert [sentence.text for sentence in split_sentences(text)] == [
        "Council wants troops out",
        "By Ana Roe",
        "The council voted.",
        "It was close.",
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_hard_wrapped_lines_are_joined(newline: str) -> None:
    sentences = [
        "The council of the province asked the foreign force to leave before the rains come.",
        "Gen. Roe refused, called the vote empty and left the hall through a side door.",
        "Nobody in the long room answered him that evening.",
    ]
    wrapped = textwrap.fill(" ".join(sentences), 60).replace("\n", newline)
    text = f"Council votes{newline}By Ana Roe{newline * 2}{wrapped}"

    assert [sentence.text for sentence in split_sentences(text)] == ["Council votes", "By Ana Roe", *sentences]


def test_a_list_of_short_lines_is_not_joined() -> None:
    assert [sentence.text for sentence in split_sentences("troops\nplanes\nships")] == ["troops", "planes", "ships"]


@pytest.mark.parametrize("text", ["", "\n \n", "___", "***\n\n- 12 -", "&nbsp;\n\xad"])
def test_lines_without_letters_are_left_out(text: str) -> None:
    assert split_sentences(text) == []


def test_time_stamps_stay() -> None:
    assert split_sentences("9:50 p.m.\n\n___\n") == [Sentence("9:50 p.m.", 0, 9)]


@given(articles)
@example("He left.\xad  We stay &nbsp;\n")
def test_a_sentence_is_the_repair_of_its_place_in_the_text(text: str) -> None:
    for sentence in split_sentences(text):
        assert sentence.text == repair(text[sentence.start : sentence.end]).text


@given(articles)
def test_sentences_come_in_order_and_never_overlap(text: str) -> None:
    ends = [place for sentence in split_sentences(text) for place in (sentence.start, sentence.end)]

    assert ends == sorted(ends)


@given(plain_articles)
def test_no_letter_is_lost(text: str) -> None:
    kept = "".join(text[sentence.start : sentence.end] for sentence in split_sentences(text))

    assert "".join(filter(str.isalpha, kept)) == "".join(filter(str.isalpha, text))
