"""Tables say what was measured, pictures have their size, and the same results give the same bytes."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from stancemap.metrics import Scored
from stancemap.report import (
    cell,
    draw_confusion,
    draw_reliability,
    draw_slices,
    label_rows,
    leaderboard,
    markdown,
    score_rows,
    write_csv,
)


def measured(macro_f1, *, n=20):
    one = {"value": 0.5, "low": 0.45, "high": 0.551}
    mcc = {"value": -0.0204, "low": -0.1, "high": 0.0}
    macro = {"value": macro_f1, "low": macro_f1 - 0.1, "high": macro_f1 + 0.1}
    scores = {"macro_f1": macro, "f_avg": one, "mcc": mcc, "accuracy": one, "log_loss": one, "ece": one}
    return {"n": n, "documents": 9, **scores}


HEAD = ["model", "n", "macro-F1", "F_avg", "MCC", "log-loss", "ECE"]
REST = ["0.500 [0.450–0.551]", "-0.020 [-0.100–0.000]", "0.500 [0.450–0.551]", "0.500 [0.450–0.551]"]
SCORED = Scored(np.array([0, 1, 2, 1]), np.eye(3)[[0, 1, 2, 2]], np.arange(4))
BINS = [{"confidence": 0.5, "accuracy": 0.4, "n": 10}, {"confidence": 0.9, "accuracy": 0.8, "n": 10}]


def slices_of(*names):
    bounds = {"low": 0.1, "high": 1.0}
    return [
        {"slice": "tag", "value": name, "n": 20 + i, "macro_f1": 1 - i / 50, **bounds} for i, name in enumerate(names)
    ]


def test_a_cell_holds_a_value_and_its_interval():
    assert cell({"value": 0.12345, "low": 0.1, "high": 0.2}) == "0.123 [0.100–0.200]"


def test_the_leaderboard_puts_the_best_macro_f1_first():
    metrics = {
        "majority": {"test": measured(0.25)},
        "ngram": {"test": measured(0.75)},
        "embedding": {"test": measured(0.5)},
    }

    assert leaderboard(metrics) == [
        HEAD,
        ["ngram", "20", "0.750 [0.650–0.850]", *REST],
        ["embedding", "20", "0.500 [0.400–0.600]", *REST],
        ["majority", "20", "0.250 [0.150–0.350]", *REST],
    ]


def test_equally_good_models_stay_in_the_order_of_the_config():
    metrics = {name: {"test": measured(0.5)} for name in ("b", "a", "c")}

    assert [row[0] for row in leaderboard(metrics)] == ["model", "b", "a", "c"]


def test_the_leaderboard_shows_the_split_that_it_is_asked_for():
    metrics = {"ngram": {"test": measured(0.25), "validation": measured(0.75, n=10)}}

    assert leaderboard(metrics, "validation") == [HEAD, ["ngram", "10", "0.750 [0.650–0.850]", *REST]]


def test_accuracy_never_stands_on_the_leaderboard():
    assert "accuracy" not in str(leaderboard({"ngram": {"test": measured(0.5)}}))


def test_score_rows_keep_the_order_they_are_given():
    rows = score_rows({"test": measured(0.25), "validation": measured(0.75, n=10)}, "split")

    assert rows == [
        ["split", *HEAD[1:]],
        ["test", "20", "0.250 [0.150–0.350]", *REST],
        ["validation", "10", "0.750 [0.650–0.850]", *REST],
    ]


def test_label_rows_show_precision_recall_f1_and_n():
    per_class = {"pro": {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "n": 12.0, "f1_low": 0.2, "f1_high": 0.5}}

    assert label_rows(per_class) == [
        ["label", "precision", "recall", "f1", "n"],
        ["pro", "0.500", "0.250", "0.333 [0.200–0.500]", "12"],
    ]


def test_a_markdown_table_has_a_header_a_rule_and_its_rows():
    assert markdown([["model", "n"], ["ngram", "20"], ["majority", "20"]]) == (
        "| model | n |\n| --- | --- |\n| ngram | 20 |\n| majority | 20 |"
    )


def test_a_markdown_table_may_have_no_rows():
    assert markdown([["model", "n"]]) == "| model | n |\n| --- | --- |"


def test_a_csv_has_a_header_and_lines_that_end_alike_everywhere(tmp_path):
    write_csv(tmp_path / "some.csv", [{"actual": "pro", "n": 1}, {"actual": 'a "b", c', "n": 0.5}])

    assert (tmp_path / "some.csv").read_bytes() == b'actual,n\npro,1\n"a ""b"", c",0.5\n'


def test_a_csv_comes_back_as_it_was_written(tmp_path):
    rows = [{"slice": "target", "value": "leaving, at once\né"}, {"slice": "tag", "value": ""}]
    write_csv(tmp_path / "some.csv", rows)

    with (tmp_path / "some.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.DictReader(stream)) == rows


def test_a_csv_without_rows_still_has_a_header(tmp_path):
    write_csv(tmp_path / "some.csv", [])

    assert (tmp_path / "some.csv").read_bytes() == b"empty\n"


DRAWN = {
    "confusion": (lambda path: draw_confusion(path, SCORED, ["pro", "anti", "none"]), (672, 528)),
    "reliability": (lambda path: draw_reliability(path, BINS), (552, 528)),
    "one slice": (lambda path: draw_slices(path, slices_of("hedge")), (864, 172)),
    "most slices": (lambda path: draw_slices(path, slices_of(*map(str, range(40)))), (864, 1008)),
    "no bins": (lambda path: draw_reliability(path, []), (552, 528)),
    "no slices": (lambda path: draw_slices(path, []), (864, 172)),
    "one class": (lambda path: draw_confusion(path, SCORED.take(np.array([0])), ["pro", "anti", "none"]), (672, 528)),
    "dollars": (lambda path: draw_slices(path, slices_of("cuts of $5 to $_", r"$\frac$")), (864, 201)),
}


@pytest.mark.parametrize(("draw", "size"), DRAWN.values(), ids=DRAWN)
def test_a_picture_opens_and_has_its_size(tmp_path, draw, size):
    draw(tmp_path / "some.png")

    with Image.open(tmp_path / "some.png") as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", size)


@pytest.mark.parametrize("draw", [draw for draw, _ in DRAWN.values()], ids=DRAWN)
def test_the_same_results_give_the_same_picture_to_the_last_byte(tmp_path, draw):
    draw(tmp_path / "one.png")
    draw(tmp_path / "two.png")

    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_other_results_give_another_picture(tmp_path):
    draw_confusion(tmp_path / "one.png", SCORED, ["pro", "anti", "none"])
    draw_confusion(tmp_path / "two.png", SCORED.take(np.array([0, 1, 2])), ["pro", "anti", "none"])

    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "two.png").read_bytes()


def drawn_text(monkeypatch, draw, path):
    """Every piece of text in a picture, read off the figure before it is saved."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    found = []
    save = Figure.savefig

    def spy(figure, *args, **options):
        save(figure, *args, **options)
        found.extend(text.get_text() for text in figure.findobj(Text) if text.get_text())

    monkeypatch.setattr(Figure, "savefig", spy)
    draw(path)
    return found


def test_the_confusion_picture_shows_counts_row_shares_and_n(tmp_path, monkeypatch):
    found = drawn_text(monkeypatch, DRAWN["confusion"][0], tmp_path / "some.png")

    cells = [text for text in found if "\n" in text]
    assert cells == [
        *["1\n100%", "0\n0%", "0\n0%"],
        *["0\n0%", "1\n50%", "1\n50%"],
        *["0\n0%", "0\n0%", "1\n100%"],
    ]
    assert "Confusion on test, n = 4" in found


def test_the_picture_of_slices_shows_the_largest_thirty_with_their_n(tmp_path, monkeypatch):
    found = drawn_text(monkeypatch, DRAWN["most slices"][0], tmp_path / "some.png")

    labels = list(dict.fromkeys(text for text in found if text.startswith("tag: ")))  # a tick holds its label twice
    assert labels == [f"tag: {number} (n {20 + number})" for number in range(10, 40)]
    assert "Slices of test, the 30 largest" in found
