"""Damage a text the way scraping and machine translation do, seeded, one named fault at a time.

Why: `repair` must be tested against more damage than one remembers to type, and a model that is to read broken text
may be trained on some. The kinds that `repair` mends carry its names; the others no rule can mend, because they leave
words that are words. To add a kind, give `NOISES` a name, a pattern of the spots where it can happen, and what then
stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from stancemap.errors import InputError, explain, nearest
from stancemap.repair import MENDS

Random = np.random.Generator
Fault = tuple[str, Callable[[re.Match[str], Random], str]]


@dataclass(frozen=True, slots=True)
class Damaged:
    """A damaged text, what it was before, and the names (from `NOISES`) of what befell it, in that order."""

    text: str
    raw: str
    noises: tuple[str, ...]


def _pick(random: Random, options: Sequence[str]) -> str:
    return options[int(random.integers(len(options)))]


def _entity(match: re.Match[str], random: Random) -> str:
    code = ord(match.group())
    named = {'"': "quot", "'": "apos", "&": "amp", "’": "rsquo", "‘": "lsquo", "“": "ldquo", "”": "rdquo"}
    return _pick(random, [f"&#{code};", f"&#x{code:x};", f"&{named[match.group()]};"])


def _broken_entity(match: re.Match[str], random: Random) -> str:
    if match.group() == '"':
        return _pick(random, ["& quot ;", ",quot;", "& # 34;", "&quot ;"])
    return _pick(random, ["& # 39;", "& #39 ;", "&apos ;"])


def _mojibake(match: re.Match[str], _: Random) -> str:
    return match.group().encode().decode("windows-1252")


def _article(match: re.Match[str], random: Random) -> str:
    word = match.group("article")
    return _pick(random, ["", "a ", "an "] if word == "the" else ["", "the "])


def _swapped(pairs: dict[str, str]) -> Fault:
    """What is found by its words, whatever their case, and replaced by other ones."""
    pattern = rf"\b(?:{'|'.join(sorted(pairs, key=len, reverse=True))})\b"
    return pattern, lambda match, _: pairs[match.group().lower()]


# Set phrases as a dictionary turns them, word by word; a side that a phrase takes it keeps.
IDIOMS: Final[dict[str, str]] = {
    "according to": "upon the words of",
    "as soon as possible": "in the nearest of times",
    "as well as": "in addition also",
    "at the request of": "on the demand of",
    "boots on the ground": "shoes on the earth",
    "bring home": "return to the home",
    "called for": "called to",
    "came under pressure": "fell under the pressing",
    "carry out": "make the doing of",
    "end of the year": "the year its end",
    "foreign troops": "the foreigner forces",
    "in accordance with": "conform to",
    "in order to": "for the purpose to",
    "in spite of": "by the despite of",
    "on the ground": "on the land",
    "prime minister": "head of the ministers",
    "pull out": "draw out itself",
    "pulled out": "drew out itself",
    "put an end to": "place end for",
    "security forces": "the forces of security",
    "step down": "descend",
    "take place": "become held",
    "took place": "became held",
    "withdrawal of": "withdraw of",
}
PRONOUNS: Final = "he she they we it who which that".split()

# In the order in which they are done: a space put into an entity would make a fault that nobody has seen.
NOISES: Final[dict[str, Fault]] = {
    # what nobody can mend by rule
    "literal-idiom": _swapped(IDIOMS),
    "article": (r"\b(?P<article>the|an?) (?=[a-z])", _article),
    "doubled-pronoun": (rf"\b(?:{'|'.join(PRONOUNS)})\b", lambda match, _: f"{match.group()} {match.group().lower()}"),
    "stray-capital": (r"(?<![^\W\d_])[a-z](?=[a-z]{2})", lambda match, _: match.group().upper()),
    "lost-space": (r"(?<=[a-z][,;]) (?=[a-z])", lambda _match, _: ""),
    "glued-words": (r"(?<=[a-z]) (?=[a-z])", lambda _match, _: ""),
    "bad-quote": ('"', lambda _, random: _pick(random, ["", "''", "``", ",,", "”"])),
    "curly-quote": ("(?<=[a-z])'(?=[a-z])", lambda _match, _: "’"),
    # what `repair` mends
    "spaces": (r"(?<=\S) (?=\S)", lambda _, random: _pick(random, ["  ", "\xa0", "\t", " \n"])),
    "soft-hyphen": (r"(?<=[a-z]{4})(?=[a-z]{4})", lambda _, random: _pick(random, ["\xad", "\u200b"])),
    "glued-sentences": (r"(?P<left>\b[a-z]{5,}\.) (?=[A-Z][a-z]+ [a-z])", lambda match, _: match.group("left")),
    "entity": ("[\"'&‘’“”]", _entity),
    "broken-entity": ("\"|(?<=[a-z])'(?=[a-z])", _broken_entity),
    "mojibake": ("[‘’“–—é…]", _mojibake),
}
MENDABLE: Final = tuple(kind for kind in NOISES if kind in MENDS)
_SPOTS = {
    kind: re.compile(pattern, re.IGNORECASE if kind == "literal-idiom" else 0) for kind, (pattern, _) in NOISES.items()
}


def damage(text: str, random: Random, kinds: Sequence[str] = tuple(NOISES), most: int = 3) -> Damaged:
    """Do one to `most` kinds of damage to a text, each in one spot drawn at random.

    Parameters
    ----------
    text : str
        A sentence.
    random : numpy.random.Generator
        Where chance comes from; the same state gives the same damage.
    kinds : sequence of str
        Names from `NOISES`; those that find no spot in the text are passed over.
    most : int, default 3
        The largest number of kinds done to one text.

    Returns
    -------
    Damaged
        The text as it was when no kind finds a spot.

    Raises
    ------
    InputError
        When a kind is unknown, or `most` is below 1.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> damage("The soldiers left. Nobody stayed on.", random, ["glued-words"]).text
    'The soldiers left. Nobodystayed on.'
    """
    unknown = [kind for kind in kinds if kind not in NOISES]
    if unknown:
        raise InputError(explain("There is no such kind of noise", got=unknown[0], allowed=nearest(unknown[0], NOISES)))
    if most < 1:
        raise InputError(explain("No kind of noise can be done", got=most, allowed="`most` of 1 or more"))
    wanted = int(random.integers(1, most + 1))
    chosen = [kind for kind in random.permutation(list(kinds)).tolist() if _SPOTS[kind].search(text)][:wanted]
    damaged = text
    done = []
    for kind in sorted(chosen, key=list(NOISES).index):
        if spots := list(_SPOTS[kind].finditer(damaged)):
            spot = spots[int(random.integers(len(spots)))]
            done.append(kind)
            damaged = damaged[: spot.start()] + NOISES[kind][1](spot, random) + damaged[spot.end() :]
    return Damaged(damaged, text, tuple(done))
