"""Questions from files: told by content, every row accounted for, pointers that lead back to the row."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

from dataset_platform.contracts.self_correction import Questions
from dataset_platform.kernels.self_correction import question_records
from dataset_platform.kernels.self_correction.question_records import read_records
from dataset_platform.kernels.self_correction.questions import QuestionFile, read_questions

SCHEMA = Questions.labelled_schema()
GSM8K = {"question": "How many eggs are 9 twos?", "answer": "9*2 = <<9*2=18>>18\n#### 18"}
HOTPOTQA = {"_id": "5a7a", "question": "Where was she born?", "answer": "Paris", "type": "bridge", "level": "hard"}
BOOLQ = {"question": "do ducks swim", "title": "Duck", "answer": True, "passage": "Ducks swim."}
OWN = {"id": "q1", "question": "2 + 2?", "reference_answer": "4"}


def read(files, checkers=None):
    """Rows of named contents; a value is the file's bytes, or (bytes, data set)."""
    contents = {path: (held if isinstance(held, tuple) else (held, None)) for path, held in files.items()}

    def open_input(path):
        if contents[path][0] is None:
            raise FileNotFoundError(path)
        return io.BytesIO(contents[path][0]), len(contents[path][0])

    listed = [QuestionFile(path, dataset) for path, (_, dataset) in contents.items()]
    batches = list(read_questions(listed, open_input, checkers or {}, SCHEMA))
    assert all(batch.schema == SCHEMA for batch in batches)
    rows = [row for batch in batches for row in batch.to_pylist()]
    for path in contents:  # conservation: the tally is the number of the file's rows
        of_file = [row for row in rows if row["file"] == path]
        assert [row["tally"] for row in of_file if row["tally"] is not None] == [len(of_file) - 1]
        assert of_file[-1]["tally"] is not None
    for row in rows:
        assert sum(row[label] is not None for label in ("reason", "error", "tally")) <= 1
    return rows


def kept(rows):
    return [row for row in rows if row["reason"] is None and row["error"] is None and row["tally"] is None]


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def test_rows_are_told_by_their_columns():
    rows = kept(read({"all.jsonl": lines(GSM8K, HOTPOTQA, BOOLQ, OWN)}))
    assert [(r["dataset_name"], r["question_id"], r["checker"], r["reference_answer"], r["context"]) for r in rows] == [
        ("gsm8k", "gsm8k/000000", "gsm8k", GSM8K["answer"], None),
        ("hotpotqa", "hotpotqa/5a7a", "hotpotqa", "Paris", None),
        ("boolq", "boolq/000002", "boolq", "True", "Ducks swim."),
        ("questions", "questions/q1", "exact", "4", None),
    ]
    assert [r["question"] for r in rows] == [row["question"] for row in (GSM8K, HOTPOTQA, BOOLQ, OWN)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (BOOLQ | {"answer": "False"}, ("boolq", "boolq", "False")),
        (BOOLQ | {"answer": False}, ("boolq", "boolq", "False")),
        (BOOLQ | {"answer": "yes"}, ("boolq", "boolq", "yes")),
        (HOTPOTQA | {"answer": "no", "supporting_facts": []}, ("hotpotqa", "hotpotqa", "no")),
        (OWN | {"reference_answer": 4}, ("questions", "exact", "4")),
        (OWN | {"reference_answer": 0.5}, ("questions", "exact", "0.5")),
        (OWN | {"reference_answer": True}, ("questions", "exact", "True")),
        (OWN | {"reference_answer": None}, ("questions", "exact", None)),
        (OWN | {"reference_answer": " "}, ("questions", "exact", None)),
        (OWN | {"reference_answer": "so\n#### 4"}, ("questions", "gsm8k", "so\n#### 4")),
        ({"id": 3, "question": "why?"}, ("questions", "exact", None)),
        ({"question": "why?"}, ("questions", "exact", None)),
        ({"question": "why?", "context": "Because."}, ("questions", "exact", None)),
    ],
)
def test_kinds_and_references(row, expected):
    (found,) = kept(read({"f.jsonl": lines(row)}))
    assert (found["dataset_name"], found["checker"], found["reference_answer"]) == expected


@pytest.mark.parametrize(
    ("row", "own_id"),
    [
        (OWN, "q1"),
        (OWN | {"id": 7}, "7"),
        (OWN | {"id": 0}, "0"),
        (OWN | {"id": ""}, "000000"),
        (OWN | {"id": None, "idx": 12}, "12"),
        ({"question_id": "a/b", "question": "x", "reference_answer": "y"}, "a/b"),
        ({"_id": "z", "question": "x"}, "z"),
        ({"id": "mine/5", "question": "x"}, "5"),
    ],
)
def test_own_ids(row, own_id):
    (found,) = kept(read({"f.jsonl": (lines(row), "mine")}))
    assert found["question_id"] == f"mine/{own_id}"
    assert found["dataset_name"] == "mine"


def test_checkers_are_named_by_data_set():
    rows = kept(
        read({"a.jsonl": lines(GSM8K, OWN), "b.jsonl": (lines(GSM8K), "mine")}, {"gsm8k": "math", "mine": "x:Y"})
    )
    assert [row["checker"] for row in rows] == ["math", "exact", "x:Y"]


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ({"prompt": "x", "answer": "y"}, "no column 'question': columns are prompt, answer; expected id, question"),
        ({"question": "x", "answer": "18"}, "no known kind of question: columns are question, answer; expected"),
        ({"question": "x", "ground_truth": "18"}, "no known kind"),
        ({"question": "x", "answer": "Paris", "passage": "y"}, "no known kind"),
        ({"question": ["x"], "answer": "#### 1"}, "'question' is no text"),
        (OWN | {"reference_answer": ["4"]}, "'reference_answer' is neither text nor number"),
        ({"question": "x", "answer": ["Paris"], "type": "bridge"}, "no known kind"),
    ],
)
def test_rows_of_no_known_kind_are_quarantined(row, cause):
    bad, good, _ = read({"f.jsonl": lines(row, OWN)})
    assert bad["error"].startswith(cause)
    assert (bad["file"], bad["offset"]) == ("f.jsonl", 0)
    assert good["question_id"] == "questions/q1"


@pytest.mark.parametrize("text", ["", "   ", "\n", None])
def test_empty_questions_are_rejected(text):
    row, _ = read({"f.jsonl": lines(OWN | {"question": text})})
    assert (row["reason"], row["measure"], row["question_id"], row["question"]) == (
        "empty_question",
        0.0,
        "questions/q1",
        None,
    )


def test_broken_lines_are_quarantined_with_their_place():
    content = b"\xef\xbb\xbf" + lines(OWN) + b'\n{"id": \n\xff\xfe{}\n[1]\n"text"\n' + lines(GSM8K)[:-1]
    rows = read({"f.jsonl": content})
    assert [row["error"] is None for row in rows] == [True, False, False, False, False, True, True]
    for row in rows[1:5]:
        piece = content[row["offset"] : row["offset"] + row["length"]]
        assert piece in (b'{"id": ', b"\xff\xfe{}", b"[1]", b'"text"')
    assert json.loads(content[rows[5]["offset"] :][: rows[5]["length"]]) == GSM8K
    assert rows[-1]["tally"] == 6


def test_a_line_beyond_the_limit_is_passed_over(monkeypatch):
    monkeypatch.setattr(question_records, "MAX_RECORD_BYTES", 200)
    monkeypatch.setattr(question_records, "_CHUNK", 64)
    content = lines(OWN, OWN | {"question": "x" * 1000}, GSM8K)
    rows = read({"f.jsonl": content})
    assert rows[1]["error"] == "line is longer than 200 bytes"
    assert content[rows[1]["offset"] :][: rows[1]["length"]] == content.split(b"\n")[1]
    assert json.loads(content[rows[2]["offset"] :][: rows[2]["length"]]) == GSM8K


def test_half_a_surrogate_pair_is_quarantined():
    row, _ = read({"f.jsonl": b'{"id": 1, "question": "\\ud800"}\n'})
    assert row["error"] == "text is not UTF-8"


ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(str.strip)
OWN_ROWS = st.lists(
    st.fixed_dictionaries({"id": st.integers(0, 10**6).map(str), "question": ANY_TEXT, "reference_answer": ANY_TEXT}),
    max_size=12,
)


def as_csv(rows, delimiter):
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "question", "reference_answer"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


@given(OWN_ROWS)
@settings(max_examples=150, deadline=None)
def test_every_format_gives_the_same_questions(rows):
    pretty = json.dumps(rows, indent=2, ensure_ascii=False).encode()
    forms = {
        "a.jsonl": lines(*rows),
        "b.json": lines(*rows),
        "c.json": pretty,
        "d.json": json.dumps(rows).encode(),
        "e.json": json.dumps({"data": rows}, indent=1).encode(),
        "f.json": json.dumps({"version": 1, "data": rows}).encode(),
        "g.csv": as_csv(rows, ","),
        "h.tsv": as_csv(rows, "\t"),
        "i.jsonl.gz": gzip.compress(lines(*rows)),
        "j.json.gz": gzip.compress(pretty),
        "k.csv.gz": gzip.compress(as_csv(rows, ",")),
    }
    expected = [(f"questions/{row['id']}", row["question"], row["reference_answer"]) for row in rows]
    for name, content in forms.items():
        found = kept(read({name: content}))
        assert [(r["question_id"], r["question"], r["reference_answer"]) for r in found] == expected, name


@given(OWN_ROWS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_offsets_lead_back_to_the_line(rows, crlf):
    content = lines(*rows).replace(b"\n", b"\r\n") if crlf else lines(*rows)
    for name, stored in (("a.jsonl", content), ("a.jsonl.gz", gzip.compress(content))):
        for row, found in zip(rows, kept(read({name: stored})), strict=True):
            assert json.loads(content[found["offset"] : found["offset"] + found["length"]]) == row


@given(st.lists(st.sampled_from([OWN, GSM8K, 3, "x", {}, OWN | {"question": ""}]), max_size=8), st.integers(1, 300))
@settings(max_examples=150, deadline=None)
def test_a_list_read_in_small_pieces_is_the_same(rows, chunk):
    content = json.dumps(rows).encode()
    whole = list(read_records(io.BytesIO(content), "f.json"))
    before, question_records._CHUNK = question_records._CHUNK, chunk
    try:
        assert list(read_records(io.BytesIO(content), "f.json")) == whole
    finally:
        question_records._CHUNK = before
    assert [record.row for record in whole] == [row if isinstance(row, dict) else None for row in rows]


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_list_that_breaks_off_keeps_what_came_before(cut):
    content = json.dumps([OWN, OWN | {"id": "q2"}]).encode()[:-cut]
    rows = read({"f.json": content})
    assert rows[0]["question_id"] == "questions/q1"
    assert rows[-2]["error"].startswith("list breaks off at row")


def test_a_torn_gzip_keeps_what_came_before():
    import random

    noise = random.Random(5)
    many = [OWN | {"id": str(i), "question": f"{noise.random()}?"} for i in range(20_000)]
    content = gzip.compress(lines(*many))
    rows = read({"f.jsonl.gz": content[: len(content) // 2]})
    assert 100 < len(kept(rows)) < 20_000
    assert rows[-2]["error"].startswith(("file cannot be read further: EOFError", "not JSON"))
    assert [row["question_id"] for row in kept(rows)] == [f"questions/{i}" for i in range(len(kept(rows)))]


def test_broken_csv_rows_are_quarantined():
    content = b'id,question,reference_answer\n1,why?,x\n2,too,many,cells\n3,few\n4,\xff?,x\n\n5,"a ""b""\nc",y\n6,"open'
    rows = read({"f.csv": content})
    assert [(r["question_id"], r["question"]) for r in kept(rows)] == [
        ("questions/1", "why?"),
        ("questions/5", 'a "b"\nc'),
    ]
    errors = [row["error"] for row in rows if row["error"]]
    assert errors[:3] == ["4 cells under a header of 3", "2 cells under a header of 3", "text is not UTF-8"]
    assert errors[3].startswith("not CSV")


@pytest.mark.parametrize("name", ["f.jsonl", "f.json", "f.csv", "f.tsv", "f.jsonl.gz"])
def test_empty_files_hold_nothing(name):
    (tally,) = read({name: b""})
    assert tally["tally"] == 0


@pytest.mark.parametrize(
    ("name", "content"), [("f.json", b"nonsense"), ("f.json", b"{"), ("f.json", b"3"), ("f.jsonl", b"x")]
)
def test_files_that_are_no_json_are_quarantined(name, content):
    row, tally = read({name: content})
    assert "not" in row["error"]
    assert tally["tally"] == 1


def test_a_file_that_cannot_be_opened_is_quarantined_and_the_next_is_read():
    rows = read({"gone.jsonl": None, "there.jsonl": lines(OWN)})
    assert rows[0]["error"].startswith("file cannot be opened: FileNotFoundError")
    assert kept(rows)[0]["file"] == "there.jsonl"


def test_files_of_an_object_store_are_read_alike(tmp_path):
    """Arrow's streams know no lines."""
    store = fs.LocalFileSystem()
    rows = [OWN | {"id": str(i)} for i in range(3000)]
    forms = {"a.jsonl": lines(*rows), "b.json": json.dumps(rows).encode(), "c.csv": as_csv(rows, ",")}
    forms["d.jsonl.gz"] = gzip.compress(forms["a.jsonl"])
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
        with store.open_input_file(str(tmp_path / name)) as stream:
            assert list(read_records(stream, name)) == list(read_records(io.BytesIO(content), name))


def test_kept_rows_fill_every_column_that_must_be_filled():
    rows = kept(read({"all.jsonl": lines(GSM8K, HOTPOTQA, BOOLQ, OWN)}))
    needed = [field.name for field in Questions.data_schema() if not field.nullable]
    assert all(row[name] is not None for row in rows for name in needed)
    assert SCHEMA.names[: len(Questions.data_schema())] == Questions.data_schema().names


def test_real_data_sets(real_data):
    expected = {"gsm8k/test.jsonl": 1319, "hotpotqa/dev.json": 7405, "boolq/dev.jsonl": 3270}
    files = [QuestionFile(str(real_data / name)) for name in expected]
    batches = list(read_questions(files, lambda path: (io.BytesIO(Path(path).read_bytes()), 0), {}, SCHEMA))
    table = pa.Table.from_batches(batches).to_pandas()
    rows = table[table["tally"].isna()]
    assert rows["error"].isna().all() and rows["reason"].isna().all()
    assert rows.groupby("dataset_name").size().to_dict() == {name.split("/")[0]: n for name, n in expected.items()}
    assert rows["question_id"].is_unique
    assert set(rows["checker"]) == {"gsm8k", "hotpotqa", "boolq"}
    assert (rows["context"].notna() == (rows["dataset_name"] == "boolq")).all()
