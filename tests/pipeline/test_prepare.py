"""`prepare`: what later stages may rely on, and what stops it."""

from __future__ import annotations

import json
from collections import Counter

import pandas as pd
import pytest

from stancemap.errors import ConfigError, DataError
from stancemap.repair import repair
from stancemap.stages.prepare import prepare

LABELS = ["pro-withdrawal", "anti-withdrawal", "neutral"]
SPLITS = ("train", "validation", "test")


def tables(project):
    return {split: pd.read_parquet(project.prepared("withdrawal") / f"{split}.parquet") for split in SPLITS}


def everything(project):
    return pd.concat(tables(project).values())


def row_of(project, id_):
    """One row with nothing made of its nulls."""
    import pyarrow.parquet as pq

    rows = [
        row
        for split in SPLITS
        for row in pq.read_table(project.prepared("withdrawal") / f"{split}.parquet").to_pylist()
    ]
    (found,) = [row for row in rows if row["id"] == id_]
    return found


def audit_of(project):
    return json.loads((project.prepared("withdrawal") / "audit.json").read_text(encoding="utf-8"))


def raw_file(project):
    return project.raw("withdrawal") / "some.jsonl"


def row(number, **fields):
    usual = {"target": "withdrawal of foreign troops", "label": "neutral", "document": f"d{number}"}
    return {"id": f"own-{number}", "text": f"Sentence number {number} is about troops.", **usual, **fields}


def write(project, rows):
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in rows]
    raw_file(project).write_text("".join(lines), encoding="utf-8")


def append(project, *rows):
    with raw_file(project).open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)


def refusal(project, error=DataError):
    with pytest.raises(error) as caught:
        prepare(project, "withdrawal")
    return str(caught.value)


def test_the_parquet_files_load_as_a_dataset_dict_with_the_labels_in_canonical_order(finished, tmp_path):
    import datasets

    folder = finished.prepared("withdrawal")
    files = {split: str(folder / f"{split}.parquet") for split in SPLITS}
    loaded = datasets.DatasetDict.from_parquet(files, cache_dir=str(tmp_path))
    assert {split: part.features["label"] for split, part in loaded.items()} == dict.fromkeys(
        SPLITS, datasets.ClassLabel(names=LABELS)
    )


def test_every_row_of_the_file_comes_back_once_with_its_own_label(finished, corpus_rows):
    found = everything(finished)
    labels = {id_: LABELS[label] for id_, label in zip(found["id"], found["label"], strict=True)}
    assert len(found) == len(corpus_rows)
    assert labels == {one["id"]: one["label"] for one in corpus_rows}


def test_raw_text_is_the_text_of_the_file(finished, corpus_rows):
    found = everything(finished)
    assert dict(zip(found["id"], found["raw_text"], strict=True)) == {one["id"]: one["text"] for one in corpus_rows}


def test_text_is_the_repaired_raw_text_and_mends_name_what_was_mended(finished):
    found = everything(finished)
    mended = [repair(raw) for raw in found["raw_text"]]
    assert found["text"].tolist() == [one.text for one in mended]
    assert [tuple(mends) for mends in found["mends"]] == [one.mends for one in mended]
    assert found["mends"].str.len().gt(0).any()


def test_a_damaged_row_is_mended_in_text_and_kept_in_raw_text(fresh):
    damaged = "He said &quot;we stay&quot; in the valley.The   column drove on."
    append(fresh, row(1, text=damaged, target="withdrawal of\u00a0US troops"))
    prepare(fresh, "withdrawal")
    found = row_of(fresh, "own-1")
    assert {key: found[key] for key in ("raw_text", "text", "target", "mends")} == {
        "raw_text": damaged,
        "text": 'He said "we stay" in the valley. The column drove on.',
        "target": "withdrawal of US troops",
        "mends": ["entity", "glued-sentences", "spaces"],
    }


def test_a_field_that_a_row_does_not_carry_is_empty(fresh):
    append(fresh, row(1))
    prepare(fresh, "withdrawal")
    assert row_of(fresh, "own-1") == {
        "id": "own-1",
        "text": "Sentence number 1 is about troops.",
        "raw_text": "Sentence number 1 is about troops.",
        "mends": [],
        "target": "withdrawal of foreign troops",
        "label": 2,
        "holder": None,
        "document": "d1",
        "genre": None,
        "tags": [],
        "coders": [],
        "register": "some",
        "weight": 1.0,
    }


def test_the_audit_counts_every_row_by_label_target_genre_and_tag(finished, corpus_rows):
    audit = audit_of(finished)
    assert audit["rows"] == len(corpus_rows)
    assert audit["documents"] == len({one["document"] for one in corpus_rows})
    for key in ("label", "target", "genre"):
        assert audit[key] == Counter(one[key] for one in corpus_rows)
    assert audit["tag"] == Counter(tag for one in corpus_rows for tag in one["tags"])


def test_the_audit_counts_the_labels_of_each_split(finished):
    counted = {
        split: dict(Counter(LABELS[label] for label in table["label"])) for split, table in tables(finished).items()
    }
    assert audit_of(finished)["split"] == counted


def test_the_audit_counts_each_mend(finished):
    assert audit_of(finished)["mends"] == Counter(mend for mends in everything(finished)["mends"] for mend in mends)


def test_the_audit_gives_the_lengths_in_words(finished):
    words = everything(finished)["text"].str.split().str.len()
    found = audit_of(finished)["words"]
    assert list(found) == ["all", "anti-withdrawal", "neutral", "pro-withdrawal"]
    assert found["all"] == {
        "min": int(words.min()),
        "p5": int(words.quantile(0.05)),
        "median": int(words.median()),
        "p95": int(words.quantile(0.95)),
        "max": int(words.max()),
    }


def test_the_audit_counts_the_rows_that_were_coded_twice(finished, corpus_rows):
    coders = [one["coders"] for one in corpus_rows if len(one.get("coders", [])) > 1]
    disagree = sum(len(set(one)) > 1 for one in coders)
    assert audit_of(finished)["coded_twice"] == {"rows": len(coders), "disagree": disagree}


def test_no_document_stands_in_two_splits(finished):
    homes = [(document, split) for split, table in tables(finished).items() for document in set(table["document"])]
    assert max(Counter(document for document, _ in homes).values()) == 1
    assert audit_of(finished)["leakage"] == 0


def test_near_duplicates_stand_in_one_split(fresh):
    words = "amber basalt cedar delta ember fjord granite harbour indigo juniper kestrel lagoon".split()
    twins = [f"The {one} brigade will be flown out of its {one} camp before the {one} festival" for one in words]
    append(
        fresh,
        *(row(number, text=f"{text}.") for number, text in enumerate(twins)),
        *(row(number + 100, text=f"{text}!") for number, text in enumerate(twins)),
    )
    prepare(fresh, "withdrawal")
    homes = {id_: split for split, table in tables(fresh).items() for id_ in table["id"]}
    assert [homes[f"own-{number}"] for number in range(12)] == [homes[f"own-{number + 100}"] for number in range(12)]


def test_near_duplicates_with_another_label_are_named_in_the_audit(fresh):
    before = "The brigade will be flown out of its camp before the harvest festival"
    append(fresh, row(1, text=f"{before}."), row(2, text=f"{before}!", label="pro-withdrawal"))
    audit = prepare(fresh, "withdrawal")
    (found,) = [pair for pair in audit["duplicates"]["near_with_other_label"] if pair[0] == "own-1"]
    assert found[:2] == ["own-1", "own-2"]
    assert 0.8 <= found[2] <= 1


def test_the_same_text_may_stand_twice_with_two_targets_and_stays_in_one_split(fresh):
    text = "The marshal wants the northern garrison gone and the southern one kept."
    aims = ["withdrawal of troops from the north", "withdrawal of troops from the south"]
    append(fresh, *(row(number, text=text, target=aim) for number, aim in enumerate(aims)))
    before = sum(count > 1 for count in Counter(repair(one).text for one in raw_texts(fresh)[:-2]).values())
    audit = prepare(fresh, "withdrawal")
    homes = {split for split, table in tables(fresh).items() if text in set(table["text"])}
    assert len(homes) == 1
    assert audit["duplicates"]["same_text_two_targets"] == before + 1


def raw_texts(project):
    return [json.loads(line)["text"] for line in raw_file(project).read_text(encoding="utf-8").splitlines()]


def test_the_same_seed_gives_the_same_bytes(fresh, finished_root, snapshot):
    prepare(fresh, "withdrawal")
    assert snapshot(fresh.prepared("withdrawal")) == snapshot(finished_root / "data" / "prepared" / "withdrawal")


def test_another_seed_gives_another_split(fresh, finished_root, snapshot):
    fresh.pipeline_file.write_text(fresh.pipeline_file.read_text().replace("seed: 7", "seed: 8"))
    prepare(fresh, "withdrawal")
    assert snapshot(fresh.prepared("withdrawal")) != snapshot(finished_root / "data" / "prepared" / "withdrawal")


def test_the_same_text_and_target_with_the_same_label_is_refused(fresh):
    write(fresh, [row(1, text="They go home."), row(2, text="They  go home.")])
    assert refusal(fresh) == (
        "own-2 repeats the text and target of own-1 with the same label. Got: 'They go home.'.\n"
        "Drop one row of each pair."
    )


def test_the_same_text_and_target_with_another_label_is_refused(fresh):
    write(fresh, [row(1, text="They go home."), row(2, text="They go home.", label="pro-withdrawal")])
    assert refusal(fresh) == (
        "own-2 repeats the text and target of own-1 with another label. Got: 'They go home.'.\n"
        "Drop one row of each pair."
    )


BAD = {
    "label": {"label": "pro-withdrawl"},
    "text": {"text": ""},
    "target": {"target": ""},
    "id": {"id": "own-1"},
    "tags": {"tags": ["negated"]},
}
MESSAGES = {
    "label": """label: the label is unknown. Got: 'pro-withdrawl'. Allowed: anti-withdrawal, neutral, pro-withdrawal \
(did you mean pro-withdrawal?).""",
    "text": """text: The text is empty. Got: ''. Allowed: a string of 1 to 10,000 characters. \
Fill it in or drop the row.""",
    "target": "target: String should have at least 1 character. Got: ''.",
    "id": "id: the id stands twice. Got: 'own-1'. It stands in some.jsonl:1 too.",
    "tags": """tags: the tag is unknown. Got: 'negated'. Allowed: anaphora, conditional, double-negation, hedge, \
implicit, indirect-speech, irony, keyword-trap, mixed, motive, negation, noise, numbers, off-topic, other-target, \
prediction, procedure, quote, rhetorical (did you mean negation?).""",
}


@pytest.mark.parametrize("field", BAD)
def test_a_bad_row_stops_with_file_line_and_field(fresh, field):
    write(fresh, [row(1), row(2), row(3, **BAD[field])])
    assert refusal(fresh) == f"some.jsonl:3: {MESSAGES[field]}"


def test_a_row_without_a_label_stops_with_file_and_line(fresh):
    bare = row(2)
    del bare["label"]
    write(fresh, [row(1), bare])
    assert refusal(fresh) == (
        "some.jsonl:2: label: the field is missing. Got: 'id, text, target, document'. Allowed: text, label."
    )


def test_a_line_that_is_no_json_stops_with_file_and_line(fresh):
    raw_file(fresh).write_text(json.dumps(row(1)) + "\n{'id': 2}\n")
    assert refusal(fresh) == (
        "some.jsonl:2: The line is no JSON: Expecting property name enclosed in double quotes. Got: \"{'id': 2}\"."
    )


def test_a_file_in_another_encoding_is_refused(fresh):
    raw_file(fresh).write_bytes('{"id": "é"}'.encode("latin-1"))
    assert refusal(fresh) == (f"{raw_file(fresh)} is not UTF-8: byte 0xe9 at position 8. Save the file as UTF-8.")


def test_a_bad_row_leaves_what_was_prepared_before_untouched(prepared, snapshot):
    before = snapshot(prepared.root)
    append(prepared, row(1, label="perhaps"))
    after = snapshot(prepared.root)
    refusal(prepared)
    assert snapshot(prepared.root) == after
    assert snapshot(prepared.root / "data" / "prepared") == {
        name.removeprefix("data/prepared/"): digest
        for name, digest in before.items()
        if name.startswith("data/prepared/")
    }


def test_a_disk_that_fills_while_it_writes_leaves_what_was_prepared_before_untouched(prepared, snapshot, monkeypatch):
    import datasets

    written = []

    def fills(rows, path, *args, **kwargs):
        if written:
            raise OSError(28, "No space left on device")
        written.append(path.write_bytes(b"half"))

    monkeypatch.setattr(datasets.Dataset, "to_parquet", fills)
    before = snapshot(prepared.root)
    with pytest.raises(OSError, match="No space left on device"):
        prepare(prepared, "withdrawal")
    assert written == [4]
    assert snapshot(prepared.root) == before


def test_a_corpus_too_small_to_split_is_refused(fresh):
    texts = ["They go home.", "We shall remain here.", "The vote is on Monday."]
    write(fresh, [row(number, text=texts[number], label=label) for number, label in enumerate(LABELS)])
    assert refusal(fresh) == (
        "The corpus is too small to split: 3 rows in 3 groups of documents. "
        "Allowed: enough documents that train, validation and test each hold every label. "
        "Add documents, or mend `split` in configs/pipeline.yaml."
    )


def test_a_corpus_without_rows_is_refused(fresh):
    write(fresh, [])
    assert refusal(fresh) == (
        "The corpus is too small to split: 0 rows in 0 groups of documents. "
        "Allowed: enough documents that train, validation and test each hold every label. "
        "Add documents, or mend `split` in configs/pipeline.yaml."
    )


def test_a_dataset_without_files_is_refused(fresh):
    raw_file(fresh).unlink()
    assert refusal(fresh) == (
        f"No file in {fresh.raw('withdrawal')} matches *.jsonl. "
        "Put the dataset's files there, or mend `files` in its config."
    )


def test_a_misspelt_dataset_is_refused_with_the_nearest_one(fresh):
    with pytest.raises(ConfigError) as caught:
        prepare(fresh, "withdrawl")
    assert str(caught.value) == (
        f"There is no config {fresh.dataset_file('withdrawl')}. Got: 'withdrawl'. "
        "Allowed: withdrawal (did you mean withdrawal?)."
    )


def test_a_label_map_that_is_not_onto_is_refused(fresh):
    path = fresh.dataset_file("withdrawal")
    path.write_text(path.read_text().replace("  neutral: neutral\n", ""))
    assert refusal(fresh, ConfigError) == (
        f"{path}: labels: the label map is not onto: no label means neutral. "
        "Got: {'pro-withdrawal': 'favor', 'anti-withdrawal': 'against'}."
    )


def test_an_unknown_key_of_the_pipeline_is_refused_with_the_nearest_one(fresh):
    fresh.pipeline_file.write_text(fresh.pipeline_file.read_text() + "sed: 8\n")
    assert refusal(fresh, ConfigError) == (
        f"{fresh.pipeline_file}: Unknown key sed. Allowed: bootstrap, datasets, duplicates, metric, models, seed, "
        "split, threads (did you mean seed?)."
    )
