"""`repair` mends damage and nothing else; `check_text` refuses what nobody can read."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stancemap.errors import InputError
from stancemap.repair import LIMIT, MENDS, Repaired, check_text, repair, trace

NOISE = [
    *"&quot; &amp;quot; &amp;amp; ,quot; &#8217; &#38; &nbsp &am&#112; &lt; amp; #39; quot; ; &".split(),
    *"â€™ â€œ Ã© Ã € ™ “ ” war The He U.S. 3.5 2014 Gen I ’s a é अ . ! ? , ' ( \"".split(),
    *["& # 39;", "& amp ;", "& quot ;", "\x80", "\x99", "\xad", "\u200b", "\u200c", "\ufeff", "\x1b", "\x85"],
    *["\xa0", " ", "  ", "\t", "\n", "\r\n", "\f", "\v", "\u2028"],
]
noisy = st.lists(st.sampled_from(NOISE), max_size=30).map("".join)
plain_words = st.lists(st.from_regex(r"[a-z]{1,9}", fullmatch=True), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("raw", "text", "mends"),
    [
        ("He said &quot;go&quot;.", 'He said "go".', ("entity",)),
        ("He said &amp;quot;go&amp;amp;quot;.", 'He said "go".', ("entity",)),
        ("the convoy&#8217;s &mdash; last &#x2013; trip", "the convoy’s — last – trip", ("entity",)),
        ("bread &amp; Roe;", "bread & Roe;", ("entity",)),
        ("the driver& # 39;s cap", "the driver's cap", ("broken-entity",)),
        ("the driver& # 039 ;s cap", "the driver's cap", ("broken-entity",)),
        ("the driver#39;s cap", "the driver's cap", ("broken-entity",)),
        ("the driver&#8217s cap", "the driver’s cap", ("broken-entity",)),
        ("He said & quot ;go& quot ;.", 'He said "go".', ("broken-entity",)),
        ("He said ,quot;go,quot;.", 'He said "go".', ("broken-entity",)),
        ("He said:quot;go.quot;", 'He said:"go."', ("broken-entity",)),
        ("bread & amp ; salt", "bread & salt", ("broken-entity",)),
        ("bread &amp salt", "bread & salt", ("broken-entity",)),
        ("bread&nbspand salt", "bread and salt", ("broken-entity", "spaces")),
        ("bread&nbsp;and salt", "bread and salt", ("entity", "spaces")),
        ("the driverâ€™s cap", "the driver’s cap", ("mojibake",)),
        ("the driverâ\x80\x99s “cap”", "the driver’s “cap”", ("mojibake",)),
        ("the driver‚Äôs cap", "the driver’s cap", ("mojibake",)),
        ("the cafÃ© voilÃ\xa0", "the café voilà", ("mojibake",)),
        ("they left \x96 all of them", "they left – all of them", ("mojibake",)),
        ("they\x1b left\x00", "they left", ("control",)),
        ("with\xaddrawal\u200b of\ufeff troops", "withdrawal of troops", ("soft-hyphen",)),
        ("with\u200cdrawal", "withdrawal", ("soft-hyphen",)),
        ("all\tthe\r\nway\fto\vthe\xa0 end ", "all the way to the end", ("spaces",)),
    ],
)
def test_damaged_characters_are_mended_and_named(raw: str, text: str, mends: tuple[str, ...]) -> None:
    assert repair(raw) == Repaired(text, raw, mends)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("They left in 2014.The rest stayed.", "They left in 2014. The rest stayed."),
        ('"It is over."He left.', '"It is over." He left.'),
        ('He left."It is over," she said.', 'He left. "It is over," she said.'),
        ("He left, he said.“We stay.”", "He left, he said. “We stay.”"),
        ("“We stay.”He left.", "“We stay.” He left."),
        ("They won’t.The rest will.", "They won’t. The rest will."),
        ("Half, or 50%.Nobody knows.", "Half, or 50%. Nobody knows."),
        ("Is it over?Yes.", "Is it over? Yes."),
        ("They left.U.S. troops stayed.", "They left. U.S. troops stayed."),
        ("They left.I stayed.", "They left. I stayed."),
        ("They left.(He stayed.)", "They left. (He stayed.)"),
        ("It was NATO.Élodie Roe agreed.", "It was NATO. Élodie Roe agreed."),
    ],
)
def test_glued_sentences_are_parted(raw: str, text: str) -> None:
    assert repair(raw) == Repaired(text, raw, ("glued-sentences",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The U.S.-led force and U.S.troops left.",
        "It cost 3.5 billion, in version 2.0.Beta terms.",
        "Write to roe@base.Example or see www.site.com and Site.Com now.",
        "At 5 a.m. J.R.R. Low and Gen.Roe left St.Clara, No.1 on the list.",
        "See report.PDF, Notes.Txt and the H.Con.Res text.",
        "About 5,quot and 6,amp are no entities.",
        "He bought an amp; R&D; and Q&A at Roe & Low; all for AT&T.",
        "See ?a=1&lt=5&copy=2 and &notit; there, or &#99999999999999; even.",
        '“Curly” and ‘single’ and "straight" quotes — all’s well…',
        "The CAFÉ” sign in Çorlu, Erdoğan’s çay, Ñandú, naïve Élysée.",
        "می\u200cخواهم",
        "that , consequently,no departure of The imam",
    ],
)
def test_a_text_that_is_right_stays_as_it_is(text: str) -> None:
    assert repair(text) == Repaired(text, text, ())


@settings(max_examples=300)
@given(st.one_of(st.text(), noisy, st.text(alphabet="&#amp;quot39 .TheÂâ€™\xa0\x99")))
@example("&amp;#38;#38;quot;")
@example("&am&#112;;nbsp;")
def test_repairing_twice_is_repairing_once(text: str) -> None:
    once = repair(text).text

    assert repair(once) == Repaired(once, once, ())


@given(noisy)
def test_mends_are_sorted_and_come_from_the_vocabulary(text: str) -> None:
    mends = repair(text).mends

    assert mends == tuple(name for name in sorted(MENDS) if name in mends)


@given(noisy)
def test_mends_are_named_exactly_when_something_changed(text: str) -> None:
    mended = repair(text)

    assert bool(mended.mends) == (mended.text != text)


@given(plain_words)
def test_words_with_single_spaces_are_never_touched(words: list[str]) -> None:
    text = " ".join(words)

    assert repair(text) == Repaired(text, text, ())


@given(noisy)
def test_origins_never_go_back_and_stay_inside_the_raw_text(text: str) -> None:
    traced = trace(text)

    assert len(traced.origin) == len(traced.text) + 1
    assert traced.origin == sorted(traced.origin)
    assert traced.origin[-1] == len(text)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(NOISE), min_size=1, max_size=3).map("".join))
@example("& amp ;")
@example("\u200c")
@example("&amp;")
@example("ab.Ab")
def test_ten_thousand_hostile_characters_are_mended_too(unit: str) -> None:
    once = repair((unit * LIMIT)[:LIMIT]).text

    assert repair(once).text == once


def test_ftfy_is_imported_only_for_mojibake() -> None:
    code = (
        "import json, sys; from stancemap.repair import repair; texts = json.loads(sys.argv[1]); "
        "print(json.dumps([(repair(text).text, 'ftfy' in sys.modules) for text in texts]))"
    )
    texts = ["a &quot;b&quot;", "the “café” — all’s well", "itâ€™s"]
    run = subprocess.run([sys.executable, "-c", code, json.dumps(texts)], capture_output=True, text=True, check=True)

    assert json.loads(run.stdout) == [['a "b"', False], ["the “café” — all’s well", False], ["it’s", True]]


def test_a_readable_text_is_returned_unchanged() -> None:
    assert check_text(" They\tleft.\r\n\f\v ") == " They\tleft.\r\n\f\v "


ALLOWED = "Allowed: a string of 1 to 10,000 characters."
FILL = "Fill it in or drop the row."
ARTICLE = "Split it into sentences; `stancemap predict FILE.txt` splits an article at sentence ends and line ends."
CONTROLS = "Allowed: of control characters only tab, newline, carriage return, form feed and vertical tab."
LIKELY = "a binary file or a wrong encoding is likely. Allowed: text. Open the file with the encoding it was written in"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, f"The text is missing. {ALLOWED} {FILL}"),
        (math.nan, f"The text is missing. Got: nan. {ALLOWED} {FILL}"),
        (5, f"The text is no string but of type int. Got: 5. {ALLOWED} Pass the sentence itself."),
        (b"a", f"The text is no string but of type bytes. Got: b'a'. {ALLOWED} Pass the sentence itself."),
        ("", f"The text is empty. Got: ''. {ALLOWED} {FILL}"),
        (
            " \xad\n&nbsp;",
            f"The text holds nothing but spaces and invisible characters. Got: ' \\xad\\n&nbsp;'. {ALLOWED} {FILL}",
        ),
        (
            "a" * 10_001,
            f"The text is too long: it has 10,001 characters. {ALLOWED} {ARTICLE}",
        ),
        ("ab\x00c", f"The text holds NUL, U+0000 at index 2; {LIKELY}, such as utf-16."),
        (
            "ab\udc80",
            f"The text holds a byte that could not be decoded, U+DC80 at index 2; {LIKELY}, such as windows-1252.",
        ),
        ("\x1b[1mGo", f"The text holds the control character U+001B at index 0. {CONTROLS} Remove it."),
    ],
)
def test_an_unreadable_text_is_refused_with_the_reason_and_the_next_step(text: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        check_text(text)

    assert str(error.value) == message


def test_the_limit_can_be_moved() -> None:
    with pytest.raises(InputError, match=r"has 4 characters\. Allowed: a string of 1 to 3 characters"):
        check_text("left", limit=3)
