"""A whole article, sentence by sentence.

Why: stance is a matter of sentences, and an article comes as one string, scraped, hard-wrapped or with a headline on a
line of its own. syntok finds most sentence ends; the rules here are for what news writing does to it.
To add a rule, add a case to `_is_false` (syntok ends a sentence where there is no end) or to `_MISSED` (it misses one),
and a sentence of your own to the table in `tests/unit/test_article.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from stancemap.repair import TITLES, repair, trace

# A text is hard-wrapped to a width between these; longer lines are paragraphs, shorter ones a list.
_NARROWEST, _WIDEST = 40, 120
_LINE = re.compile("[^\n\r\v\f\u2028\u2029]+")
_CLOSED = re.compile("[.!?:;…][\"'”’)\\]]*$")

_STARTERS = frozenset(
    "A After An And At But By He Her His I In It Its On She That The Their Then There These They This Those We "
    "When While Why You".split()
)
# "... in the U.S. He said ...": syntok takes the full stop for the abbreviation's alone.
_ABBREVIATED = r"(?:\b(?:[A-Z]\.){2,}|\b(?:[ap]\.m|etc|Co|Corp|Inc|Jr|Ltd|Sr|Jan|Feb|Aug|Sept?|Oct|Nov|Dec)\.)"
_MISSED = re.compile(rf"{_ABBREVIATED}[\"”’)]* (?=[\"“‘]?(?:{'|'.join(sorted(_STARTERS - {'A', 'I'}))})\b)")
_TITLE = re.compile(r"(?<![\w.])(\w+)\.$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A repaired sentence, and where it stood: `raw[start:end]` of the text that was split."""

    text: str
    start: int
    end: int


def split_sentences(text: str) -> list[Sentence]:
    """Split an article into its sentences, headlines and captions included.

    Parameters
    ----------
    text : str
        The article as it came. A blank line always ends a sentence, a single newline does unless the article is
        hard-wrapped there.

    Returns
    -------
    list of Sentence
        In order, without overlap; lines without any letter, such as "***", are left out.

    Examples
    --------
    >>> for sentence in split_sentences("Gen. Roe left.&quot;We stay,&quot; he said."):
    ...     print(sentence)
    Sentence(text='Gen. Roe left.', start=0, end=14)
    Sentence(text='"We stay," he said.', start=14, end=43)
    """
    sentences = []
    for start, end in _paragraphs(text):
        for first, last in _spans(text[start:end]):
            raw = text[start + first : start + last].rstrip()
            mended = repair(raw).text
            if _has_letter(mended):
                sentences.append(Sentence(mended, start + first, start + first + len(raw)))
    return sentences


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Spans between line ends that are more than wraps."""
    lines = [match.span() for match in _LINE.finditer(text) if match.group().strip()]
    wraps = _wraps(text, lines)
    start = 0
    for number, (_, end) in enumerate(lines):
        if number not in wraps:
            yield lines[start][0], end
            start = number + 1


def _wraps(text: str, lines: list[tuple[int, int]]) -> set[int]:
    """Numbers of the lines that go on in the next one.

    A hard-wrapped line is full: the next line's first word would not have fitted. The text as a whole must show that
    it is wrapped: half of its line ends are like that, and at least one breaks off before a small letter.
    """
    words = [text[slice(*line)].rstrip() for line in lines]
    width = max((len(line) for line in words if len(line) <= _WIDEST), default=0)
    inner = [i for i, (one, two) in enumerate(pairwise(lines)) if not _blank_between(text[one[1] : two[0]])]
    full = {i for i in inner if width < len(words[i]) + 1 + len(words[i + 1].split()[0]) and len(words[i]) <= width}
    broken = any(not _CLOSED.search(words[i]) and words[i + 1].lstrip()[0].islower() for i in full)
    return full if broken and width >= _NARROWEST and 2 * len(full) >= len(inner) else set()


def _blank_between(gap: str) -> bool:
    return len(re.findall("\r\n|[\n\r\v\f\u2028\u2029]", gap)) > 1


def _spans(paragraph: str) -> Iterator[tuple[int, int]]:
    """Spans of the sentences of one paragraph, in its raw text."""
    traced = trace(paragraph)
    for start, end in pairwise([*_starts(traced.text), len(traced.text)]):
        stop = start + len(traced.text[start:end].rstrip())
        if start < stop:
            yield traced.origin[start], traced.origin[stop]


def _starts(text: str) -> list[int]:
    """Where the sentences of a repaired paragraph start."""
    from syntok import segmenter
    from syntok.tokenizer import Tokenizer

    tokens = Tokenizer(replace_not_contraction=False).tokenize(text)
    found = {sentence[0].offset for sentence in segmenter.segment(tokens)}
    found |= {match.end() for match in _MISSED.finditer(text)}
    moved = {_past_quote(text, start) for start in found if not _is_false(text, start)}
    return _with_letters(text, sorted(moved | {0}))


def _with_letters(text: str, starts: list[int]) -> list[int]:
    """Only the starts of what holds a letter; a bare "2,000." or a stray quote stays with its neighbour."""
    kept = starts[:1]
    for start, end in pairwise([*starts, len(text)]):
        if _has_letter(text[kept[-1] : start]) and _has_letter(text[start:end]):
            kept.append(start)
    return kept


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _is_false(text: str, start: int) -> bool:
    """Whether no sentence ends before `start`, though it looks like it."""
    before = text[max(0, start - 20) : start].rstrip()
    if before.endswith(";") or (text[start] in "–—-" and not _CLOSED.search(before)):
        return True
    title = _TITLE.search(before)
    word = re.match(r"\w+", text[start : start + 20])
    return bool(title and title[1].lower() in TITLES and word and word[0] not in _STARTERS)


def _past_quote(text: str, start: int) -> int:
    """Move a start behind a closing quote that a space has torn off its sentence."""
    if text[start : start + 2] in ('" ', '"') and text.count('"', 0, start) % 2:
        return start + 2
    return start
