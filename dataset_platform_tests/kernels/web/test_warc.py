"""The WARC reader against warcio, and against damage of every kind at many places."""

import gzip
import io
import random
import zlib
from datetime import UTC, datetime

import pytest
from fastwarc.stream_io import ZstdWriter, zstd_train_dictionary_from_samples
from warcio.archiveiterator import ArchiveIterator

from dataset_platform.errors import InputError
from dataset_platform.kernels.web.warc import (
    BrokenBytes,
    RecordCounts,
    WarcRecord,
    read_record_at,
    read_records,
)
from dataset_platform_tests.kernels.web.warc_files import FRAMINGS, frame, http_block, record, records

EDGE_FILES = (
    "dolma-sample-0000",
    "dolma-sample-0001",
    "resiliparse-block-sized-records",
    "resiliparse-clipped",
    "resiliparse-clueweb-quirk",
    "resiliparse-warcfile",
)


def read(data: bytes, **limits: int) -> tuple[list[WarcRecord], list[BrokenBytes], RecordCounts]:
    counts = RecordCounts()
    items = list(read_records(io.BytesIO(data), len(data), counts=counts, **limits))
    whole = [item for item in items if isinstance(item, WarcRecord)]
    broken = [item for item in items if isinstance(item, BrokenBytes)]
    rows = sum(item.type == "response" for item in whole) + len(broken)
    assert counts.tally == rows
    assert sum(counts.other_types.values()) == len(items) - rows
    return whole, broken, counts


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_framing_gives_the_same_records_and_leads_back_to_each(framing):
    parts = records(20)
    data = frame(parts, framing)
    whole, broken, counts = read(data)
    assert broken == []
    assert counts.responses == 20
    assert [item.block for item in whole] == [part.partition(b"\r\n\r\n")[2][:-4] for part in parts]
    in_members = framing in ("gzip", "zstd", "plain")
    assert {item.offset_kind for item in whole} == {"member" if in_members else "uncompressed"}
    for item in whole:
        again = read_record_at(io.BytesIO(data), item.offset, item.length, item.offset_kind)
        assert (again.record_id, again.block) == (item.record_id, item.block)


def test_a_gzip_pointer_is_the_member_alone():
    data = frame(parts := records(6), "gzip")
    whole, _, _ = read(data)
    assert [gzip.decompress(data[item.offset : item.offset + item.length]) for item in whole] == parts
    assert sum(item.length for item in whole) == len(data)


def test_an_uncompressed_pointer_is_the_record_in_the_decompressed_stream():
    plain = b"".join(records(6))
    whole, _, _ = read(frame(records(6), "gzip-one-stream"))
    for item in whole:
        assert plain[item.offset : item.offset + item.length].endswith(item.block)


def test_headers():
    data = record(1, b"x", url="<http://site.example/a b>")
    (item,), _, _ = read(data)
    assert item.target_uri == "http://site.example/a b"
    assert item.record_id == "<urn:test:1>"
    assert item.warc_date == datetime(2026, 1, 5, 3, tzinfo=UTC)
    assert item.block_bytes == 1
    bare = data.replace(b"\r\n", b"\n")
    (item,), broken, _ = read(bare)
    assert (item.block, broken) == (b"x", [])
    (item,), _, _ = read(data.replace(b"2026-01-05T", b"2008-10-294T"))
    assert item.warc_date is None


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "empty file"),
        (b"<html>busy</html>" * 50, "not a WARC file"),
        (gzip.compress(b"<html>busy</html>" * 50, mtime=0), "not a WARC file"),
        (gzip.compress(b"", mtime=0), "not a WARC file"),
        (b"\0" * 512, "not a WARC file"),
        (b"\x1f\x8b", "gzip member cut short"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd frame"),
    ],
)
def test_what_is_no_warc_at_all_is_one_broken_piece(data, error):
    whole, broken, counts = read(data)
    assert (whole, len(broken), counts.tally) == ([], 1, 1)
    assert error in broken[0].error
    assert broken[0].offset == 0


def test_truncation_at_every_place_of_a_member_is_told():
    parts = records(4)
    members = [gzip.compress(part, mtime=0) for part in parts]
    before = b"".join(members[:-1])
    for cut in range(1, len(members[-1])):
        whole, broken, _ = read(before + members[-1][:cut])
        assert len(whole) == len(parts) - 1, cut
        assert [(piece.offset, piece.length) for piece in broken] == [(len(before), cut)]
    # all but the checksum is there: the record's address is known
    assert broken[0].is_response
    assert broken[0].target_uri == "http://site.example/3"
    assert broken[0].record_id == "<urn:test:3>"


def test_padding_is_no_damage_and_garbage_is():
    data = frame(records(5), "gzip")
    assert read(data + b"\0" * 1000)[1] == []
    assert read(data + b"\r\n \n")[1] == []
    whole, broken, _ = read(data + b"garbage")
    assert (len(whole), [(b.offset, b.length) for b in broken]) == (7, [(len(data), 7)])


def test_after_a_damaged_member_reading_goes_on_at_the_next():
    members = [gzip.compress(part, mtime=0) for part in records(9)]
    start = sum(map(len, members[:4]))
    for damaged in (b"\0" * 4 + members[4][4:], members[4][:30] + b"\xff" * 30 + members[4][60:], members[4][20:]):
        whole, broken, _ = read(b"".join([*members[:4], damaged, *members[5:]]))
        assert len(whole) == len(members) - 1
        assert [(piece.offset, piece.length) for piece in broken] == [(start, len(damaged))]


@pytest.mark.parametrize("digits", [b"9999", b"0001", b"-123", b"12x4"])
@pytest.mark.parametrize("framing", ["plain", "gzip-one-stream", "zstd-one-stream"])
def test_a_wrong_content_length_costs_one_record(framing, digits):
    parts = records(9)
    head, _, rest = parts[5].partition(b"Content-Length: ")
    parts[5] = head + b"Content-Length: " + digits + rest[rest.index(b"\r") :]
    whole, broken, _ = read(frame(parts, framing))
    assert len(whole) == len(parts) - 1
    assert len(broken) == 1
    assert broken[0].is_response == digits.isdigit()


def test_a_length_beyond_the_file_costs_one_record_even_above_the_size_limit():
    parts = records(9)
    head, _, rest = parts[5].partition(b"Content-Length: ")
    parts[5] = head + b"Content-Length: 999999999999" + rest[rest.index(b"\r") :]
    for framing in ("plain", "gzip-one-stream"):
        whole, broken, _ = read(frame(parts, framing), max_record_bytes=5000)
        assert (len(whole), len(broken)) == (len(parts) - 1, 1)


def test_a_damaged_version_line_costs_one_record():
    parts = records(9)
    parts[5] = b"XXXX" + parts[5][4:]
    for framing in ("plain", "gzip", "gzip-one-stream"):
        whole, broken, _ = read(frame(parts, framing))
        assert (len(whole), len(broken)) == (len(parts) - 1, 1)


def test_records_within_a_record_are_its_content():
    inner = b"".join(records(3))
    for framing in FRAMINGS:
        whole, broken, _ = read(frame([record(1, b"first"), record(2, inner), record(3, b"last")], framing))
        assert ([item.block for item in whole], broken) == ([b"first", inner, b"last"], [])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_zstd_file_may_bring_its_dictionary(compressed):
    parts = records(60)
    dictionary = zstd_train_dictionary_from_samples(parts, 8192)
    target = io.BytesIO()
    writer = ZstdWriter(target, dictionary=dictionary, compress_dictionary_frame=compressed)
    for part in parts:
        writer.write(part)
        writer.finish()
    writer.flush()
    whole, broken, _ = read(data := target.getvalue())
    assert (len(whole), broken) == (len(parts), [])
    for item in whole[::9]:
        again = read_record_at(io.BytesIO(data), item.offset, item.length, item.offset_kind)
        assert again.block == item.block


def test_a_record_above_the_limit_is_not_held():
    big = http_block(b"a" * 3_000_000)
    for framing in FRAMINGS:
        data = frame([record(1, b"first"), record(2, big), record(3, b"last")], framing)
        whole, broken, counts = read(data, max_record_bytes=100_000)
        assert broken == []
        assert [item.block for item in whole] == [b"first", None, b"last"]
        assert (whole[1].too_large, whole[1].block_bytes, counts.responses) == (True, len(big), 3)
        again = read_record_at(io.BytesIO(data), whole[1].offset, whole[1].length, whole[1].offset_kind)
        assert again.block == big


def test_a_pointer_to_nothing_is_refused():
    data = frame(records(3), "gzip")
    with pytest.raises(InputError):
        read_record_at(io.BytesIO(data), 5, 100, "member")
    with pytest.raises(InputError):
        read_record_at(io.BytesIO(data), 5, 100, "uncompressed")


def test_io_errors_are_the_callers():
    class Failing(io.BytesIO):
        def read(self, *args):
            if self.tell() > 0:
                raise PermissionError("no")
            return super().read(*args)

    for framing in ("gzip", "plain", "zstd"):
        data = frame(records(500), framing)
        with pytest.raises(PermissionError):
            list(read_records(Failing(data), len(data)))


def _damage(data: bytes, draw: random.Random) -> tuple[bytes, int, int]:
    """Damaged bytes, and the span of the original that was touched."""
    at, size = draw.randrange(len(data)), draw.randrange(1, 60)
    end = min(at + size, len(data))
    match draw.randrange(4):
        case 0:
            return data[:at] + draw.randbytes(end - at) + data[end:], at, end
        case 1:
            return data[:at] + data[end:], at, end
        case 2:
            return data[:at] + draw.randbytes(size) + data[at:], at, at + 1
        case _:
            return data[:at], at, len(data)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("seed", range(60))
def test_damage_never_raises_and_never_loses_an_intact_record_silently(framing, seed):
    draw = random.Random(f"{framing}/{seed}")
    data = frame(records(12, seed), framing)
    intact, _, _ = read(data)
    damaged, start, end = _damage(data, draw)
    whole, broken, _ = read(damaged)
    found = {(item.record_id, item.type, zlib.crc32(item.block)) for item in whole}
    lost = [item for item in intact if (item.record_id, item.type, zlib.crc32(item.block)) not in found]
    if framing in ("gzip", "zstd"):  # members are apart: only those that were touched may be lost
        assert all(item.offset < end and item.offset + item.length >= start for item in lost)
    if lost and framing != "plain":
        assert broken
    if framing == "plain":
        # plain bytes have no checksum: an altered body goes unseen, but a record that was not touched does not vanish
        untouched = [item for item in lost if item.offset + item.length <= start or item.offset >= end]
        shift = len(damaged) - len(data)
        for item in untouched:
            at = item.offset if item.offset < start else item.offset + shift
            assert any(piece.offset <= at < piece.offset + (piece.length or len(data)) for piece in broken)


@pytest.mark.parametrize("name", EDGE_FILES)
def test_real_edge_cases_agree_with_warcio(real_data, name):
    data = (real_data / "warc_edge" / f"{name}.warc.gz").read_bytes()
    whole, broken, counts = read(data)
    expected = [(r.rec_type, r.rec_headers.get_header("WARC-Record-ID")) for r in ArchiveIterator(io.BytesIO(data))]
    responses = [record_id for kind, record_id in expected if kind == "response"]
    met = [r.record_id for r in whole if r.type == "response"] + [b.record_id for b in broken if b.is_response]
    assert met == responses
    assert counts.responses == len(responses)
    assert len(whole) + len(broken) == len(expected)
    assert len(broken) == (name == "resiliparse-clipped")
    for item in whole:
        again = read_record_at(io.BytesIO(data), item.offset, item.length, item.offset_kind)
        assert (again.record_id, again.block) == (item.record_id, item.block)


@pytest.mark.parametrize(("name", "responses"), [("install", 1658), ("postgres", 1171)])
def test_real_crawls(real_data, name, responses):
    with (real_data / "web" / f"{name}.warc.gz").open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        items = list(read_records(stream, size))
        assert not any(isinstance(item, BrokenBytes) for item in items)
        assert sum(item.type == "response" for item in items) == responses
        assert sum(item.length for item in items) == size
        assert not any(item.target_uri and item.target_uri.startswith("<") for item in items)
