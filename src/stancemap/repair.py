"""Mend the damage that scraping and machine translation leave in a text, and refuse what nobody can read.

Why: a model that learnt from clean sentences stumbles over `&quot;` and `â€™`, and the same sentence must look the
same in training and in `predict`. Only damage is mended; words, case and the style of quotes stay as they are.
To add a mend, name it in `MENDS` and give `_STEPS` a pattern and what replaces its matches. A replacement must bring
the text nearer to an end (shorter, or fewer odd characters), because the steps run until none of them bites.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from stancemap.errors import InputError, explain

Replace = Callable[[re.Match[str]], str]
LIMIT: Final = 10_000

MENDS: Final[dict[str, str]] = {
    "entity": "a character stood there as an HTML entity, such as &quot; or &#8217;",
    "broken-entity": "an HTML entity had lost or moved a part, such as ,quot; or & # 39;",
    "mojibake": "UTF-8 had been read in another encoding, such as â€™ for an apostrophe",
    "control": "a control character stood in the text",
    "soft-hyphen": "a soft hyphen or another mark without width stood in the text",
    "spaces": "a tab, a newline, or a no-break, doubled or outer space stood there instead of one space",
    "glued-sentences": "two sentences had no space between them",
}

# Words before a name, whose full stop ends no sentence, and words after the full stop of a file or a domain.
TITLES: Final = frozenset(
    "adm amb brig capt cmdr col cpl dr ft gen gov hon lt maj mr mrs ms mt pfc pres prof pvt rep reps ret rev sen sens "
    "sgt sr st ste supt".split()
)
_SUFFIXES = frozenset("asp co com csv doc edu eu gif gov htm html info io jpg js net org pdf php png txt uk".split())


@dataclass(frozen=True, slots=True)
class Repaired:
    """A mended text, what it was before, and the names (from `MENDS`) of what was mended, sorted."""

    text: str
    raw: str
    mends: tuple[str, ...]


@dataclass(slots=True)
class Traced:
    """A text under repair; `origin` gives each character's offset in the raw text, and that of the text's end."""

    text: str
    origin: list[int]
    mends: set[str] = field(default_factory=set)

    def apply(self, mend: str, pattern: re.Pattern[str], replace: Replace) -> bool:
        """Replace every match, and tell whether anything changed."""
        pieces: list[str] = []
        origin: list[int] = []
        last = 0
        for match in pattern.finditer(self.text):
            start, end, new = _narrowed(match.start(), match.group(), replace(match))
            if start < end or new:
                pieces += [self.text[last:start], new]
                origin += self.origin[last:start]
                origin += [self.origin[min(start + step, end)] for step in range(len(new))]
                last = end
        if pieces:
            self.text = "".join([*pieces, self.text[last:]])
            self.origin = origin + self.origin[last:]
            self.mends.add(mend)
        return bool(pieces)


def _narrowed(start: int, old: str, new: str) -> tuple[int, int, str]:
    """The smallest edit that turns old into new, so that offsets stay exact around it."""
    if old == new:
        return start, start, ""
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    tail = next((i for i in range(shorter - head) if old[-1 - i] != new[-1 - i]), shorter - head)
    return start + head, start + len(old) - tail, new[head : len(new) - tail]


def repair(text: str) -> Repaired:
    """Mend entities, mojibake, invisible characters, spaces and glued sentences; leave every word as it is.

    It takes any text, also one that `check_text` refuses; repairing what it returns changes nothing more.

    Examples
    --------
    >>> repair("He said &quot;we stay&quot; in 2014.The   war went on.").text
    'He said "we stay" in 2014. The war went on.'
    >>> repair("Troops left.").mends
    ()
    """
    traced = trace(text)
    return Repaired(traced.text, text, tuple(sorted(traced.mends)))


def trace(text: str) -> Traced:
    """Like `repair`, but also tell where each character came from, for whoever needs offsets.

    Examples
    --------
    >>> trace("a &quot;b").origin
    [0, 1, 2, 8, 9]
    """
    traced = Traced(text, list(range(len(text) + 1)))
    # One mend can uncover another: &nbsp; is an entity, then a no-break space.
    while sum(traced.apply(*step) for step in _STEPS):
        pass
    return traced


def _entity(match: re.Match[str]) -> str:
    import html
    from html.entities import html5

    nest, name = match.groups()
    if name.startswith("#") or f"{name};" in html5:
        return html.unescape(f"&{name};")
    return f"&{name};" if nest else match.group()


def _broken_entity(match: re.Match[str]) -> str:
    import html

    name = re.sub(r"[^#\w;]", "", match.group()).strip(";").split(";")[-1]
    return html.unescape(f"&{name.lower()};")


def _mojibake(match: re.Match[str]) -> str:
    word = match.group()
    # Importing ftfy takes longer than all else here, and curly quotes alone are no reason for it.
    if word.isascii() or not _SUSPECT.search(word):
        return word
    import ftfy

    return str(ftfy.fix_encoding(word))


def _space(match: re.Match[str]) -> str:
    return "" if match.start() == 0 or match.end() == len(match.string) else " "


def _unglued(match: re.Match[str]) -> str:
    left, marks, right = match.group("left", "marks", "right")
    if left.lower() in TITLES or (right or "").lower() in _SUFFIXES:
        return match.group()
    start = match.start("marks")
    place = start - match.start() + _opening(marks, match.string.count('"', 0, start))
    return f"{match.group()[:place]} {match.group()[place:]}"


def _opening(marks: str, quotes: int) -> int:
    """Where among the marks between two sentences the second begins, given how many straight quotes came before."""
    for place, mark in enumerate(marks):
        if mark in "“‘([" or (mark == '"' and quotes % 2 == 0):
            return place
        quotes += mark == '"'
    return len(marks)


# Nests such as &amp;amp;quot; go in one bite, so that depth costs no rounds; int() of thousands of digits would fail.
_ENTITY = r"&((?:(?i:amp|#0?38|#x26);)*)(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
# Nobody writes quot, apos or nbsp as a word; amp, lt and gt could be, so those need more of the entity around them.
_BROKEN = (
    r"& ?# ?[0-9]{2,7} ?;|&#[0-9]{2,5}(?![0-9;])"
    r"|& ?(?:(?i:amp|#0?38|#x26) ?; ?)*(?i:quot|apos|nbsp|amp|lt|gt|[lr][sd]quo|[mn]dash|hellip) ?;"
    r"|&nbsp(?!=)|& ?(?:quot|apos)(?![\w=])|&(?:amp|lt|gt)(?![\w=])"
    r"|,(?:quot|apos|nbsp|amp|#0?39|#34|#82[0-3][0-9]) ?;|(?:quot|apos|nbsp);|\b(?:quot|apos|nbsp) ;"
    r"|(?<=[A-Za-z])#(?:0?39|8217);"
)
_TAIL = "[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"  # later bytes of UTF-8, read as Windows-1252
_SUSPECT = re.compile(
    f"[\xc2-\xdf]{_TAIL}|[\xe0-\xef]{_TAIL}{{2}}|[\xf0-\xf4]{_TAIL}{{3}}|[\x80-\x9f]|\xe2€|‚Ä|\u0432\u0402|\u0393\u00c7"
)
# Joiners carry meaning in Persian, Hindi and emoji, so they stay between two characters that are not Latin.
_WIDTHLESS = (
    "[\xad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    "|(?<![^\x00-\u024f])[\u200c\u200d]+|(?<![\u200c\u200d])[\u200c\u200d]+(?![^\x00-\u024f])"
)
# A word of two letters or more, so no initial, and a capitalised word that is no lone letter but I and A.
_GLUED = (
    r"(?<![\w.@/])(?P<left>[^\W_]{2,}(?:['’][a-z]{1,2})?)%?(?:\.|[!?]{1,3})(?P<marks>[\"“”‘’()\[\]]{0,3})"
    r"(?=(?P<right>[A-ZÀ-ÖØ-Þ][^\W\d_]+|[IA])(?:[,:;-]|[.!?]?(?:[\s\"'”’)]|\Z))|[A-Z]\.[A-Z]\.)"
)
# Mojibake goes before spaces and soft hyphens, because both can be half of a damaged letter; and word by word,
# since right and wrong characters in one text hide the damage from ftfy.
_STEPS: tuple[tuple[str, re.Pattern[str], Replace], ...] = (
    ("entity", re.compile(_ENTITY), _entity),
    ("broken-entity", re.compile(_BROKEN), _broken_entity),
    ("mojibake", re.compile(r"[^ \t\r\n]+"), _mojibake),
    ("control", re.compile("[\x00-\x08\x0e-\x1b\x7f-\x9f]"), lambda _: ""),
    ("soft-hyphen", re.compile(_WIDTHLESS), lambda _: ""),
    ("spaces", re.compile(r"\s+"), _space),
    ("glued-sentences", re.compile(_GLUED), _unglued),
)
_REFUSED = re.compile("[\x00-\x08\x0e-\x1f\ud800-\udfff]")


def check_text(text: object, *, limit: int = LIMIT) -> str:
    """Refuse what `predict` cannot read, with the reason and the next step; return the rest unchanged.

    Raises
    ------
    InputError
        When it is missing, no string, blank, longer than `limit`, or holds control characters or lone surrogates.

    Examples
    --------
    >>> check_text("Troops left.")
    'Troops left.'
    """
    allowed = f"a string of 1 to {limit:,} characters"
    if not isinstance(text, str):
        raise InputError(_no_string(text, allowed))
    if len(text) > limit:
        wrong = f"The text is too long: it has {len(text):,} characters"
        then = "Split it into sentences; `stancemap predict FILE.txt` splits an article at sentence ends and line ends"
        raise InputError(explain(wrong, allowed=allowed, then=then))
    if refused := _REFUSED.search(text):
        raise InputError(_unreadable(refused.group(), refused.start()))
    if not repair(text).text:
        wrong = "The text holds nothing but spaces and invisible characters" if text else "The text is empty"
        raise InputError(explain(wrong, got=text, allowed=allowed, then="Fill it in or drop the row"))
    return text


def _no_string(value: object, allowed: str) -> str:
    kind = type(value).__name__
    # NaN is how pandas spells an empty cell; its other spellings are told by name, as pandas is slow to import.
    if kind in ("NoneType", "NAType", "NaTType") or (isinstance(value, float) and math.isnan(value)):
        return explain("The text is missing", got=value, allowed=allowed, then="Fill it in or drop the row")
    wrong = f"The text is no string but of type {kind}"
    return explain(wrong, got=value, allowed=allowed, then="Pass the sentence itself")


def _unreadable(character: str, index: int) -> str:
    where = f"U+{ord(character):04X} at index {index}"
    if "\0" < character < " ":
        allowed = "of control characters only tab, newline, carriage return, form feed and vertical tab"
        return explain(f"The text holds the control character {where}", allowed=allowed, then="Remove it")
    what, codec = ("NUL", "utf-16") if character == "\0" else ("a byte that could not be decoded", "windows-1252")
    wrong = f"The text holds {what}, {where}; a binary file or a wrong encoding is likely"
    return explain(wrong, allowed="text", then=f"Open the file with the encoding it was written in, such as {codec}")
