"""Character sets: who names them, and who is believed."""

import random

import pyarrow as pa
import pytest

from dataset_platform.kernels.web.charset import decode

GERMAN = "Die Straße führt über die Brücke, und die Mühle steht gegenüber. " * 5
RUSSIAN = "Маяк построили больше ста лет назад, когда рыбаки возвращались домой под парусом. " * 5
JAPANESE = "川沿いの細い道を十分ほど歩くと、青いのれんのかかった小さな豆腐屋があります。" * 5


@pytest.mark.parametrize(
    ("text", "label", "name"),
    [
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "UTF8", "utf-8"),
        (GERMAN, "ISO-8859-1", "windows-1252"),
        (GERMAN, "latin1", "windows-1252"),
        (RUSSIAN, "windows-1251", "windows-1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (JAPANESE, "shift_jis", "shift_jis"),
        (JAPANESE, "euc-jp", "euc-jp"),
        ("这是一个关于旧图书馆的故事。" * 9, "gb2312", "gbk"),
        ("이 페이지는 한국어로 쓰였습니다. " * 9, "euc-kr", "euc-kr"),
        ("這是一個關於舊圖書館的故事。" * 9, "big5", "big5"),
    ],
)
def test_the_header_and_meta_name_the_charset(text, label, name):
    assert decode(text.encode(label), label) == (text, name, "http")
    page = f'<html><head><meta charset="{label}"></head>{text}'
    assert decode(page.encode(label), None) == (page, name, "meta")
    page = f"<html><head><META http-equiv=Content-Type content='text/html; charset={label}'></head>{text}"
    assert decode(page.encode(label), None) == (page, name, "meta")


@pytest.mark.parametrize(("text", "label"), [(RUSSIAN, "windows-1251"), (JAPANESE, "shift_jis"), (GERMAN, "utf-8")])
def test_without_a_name_the_charset_is_detected(text, label):
    assert decode(text.encode(label), None) == (text, label, "detected")


def test_byte_order_marks():
    assert decode(b"\xef\xbb\xbf" + GERMAN.encode(), None) == (GERMAN, "utf-8", "bom")
    assert decode(b"\xef\xbb\xbf" + GERMAN.encode(), "utf-8") == (GERMAN, "utf-8", "http")
    assert decode(b"\xef\xbb\xbf" + GERMAN.encode(), "iso-8859-1") == (GERMAN, "utf-8", "bom")
    assert decode(b"\xff\xfe" + GERMAN.encode("utf-16-le"), None) == (GERMAN, "utf-16-le", "bom")
    assert decode(b"\xfe\xff" + GERMAN.encode("utf-16-be"), "utf-16") == (GERMAN, "utf-16-be", "http")


def test_a_name_under_which_the_bytes_do_not_decode_is_passed_over():
    assert decode(GERMAN.encode("latin-1"), "utf-8") == (GERMAN, "windows-1252", "detected")
    page = '<meta charset="windows-1252">' + GERMAN
    assert decode(page.encode("latin-1"), "utf-8") == (page, "windows-1252", "meta")
    assert decode(JAPANESE.encode(), "euc-jp") == (JAPANESE, "utf-8", "detected")
    for label in ("bogus", "", "none", "x-user-defined", "utf-7", '"'):
        assert decode(GERMAN.encode(), label) == (GERMAN, "utf-8", "detected")


def test_a_sliver_of_damage_does_not_discredit_a_name():
    body = GERMAN.encode()
    text, charset, source = decode(body[:-1] + b"\xff" + body, "utf-8")
    assert (charset, source) == ("utf-8", "http")
    assert text.count("\ufffd") == 1
    assert decode(("ü" * 100).encode()[:-1], "utf-8")[1:] == ("utf-8", "http")


def test_ascii_needs_no_guess_and_an_own_replacement_character_is_no_failure():
    assert decode(b"plain words", None) == ("plain words", "utf-8", "fallback")
    assert decode("\ufffd\ufffd\ufffd".encode(), "utf-8") == ("\ufffd\ufffd\ufffd", "utf-8", "http")
    assert decode(b"", None) == ("", "utf-8", "fallback")


def test_a_page_that_says_it_is_utf_16_in_ascii_is_not():
    page = '<meta charset="utf-16">' + GERMAN
    assert decode(page.encode(), None) == (page, "utf-8", "meta")


def test_whatever_the_bytes_the_text_can_be_stored():
    assert decode(b"a\0b", "utf-8")[0] == "ab"
    assert decode(b"a\xed\xa0\x80b" * 3, "utf-8")[0].encode()
    draw = random.Random(7)
    labels = (None, "utf-8", "utf-16", "utf-16-be", "gb18030", "iso-2022-jp", "big5", "euc-kr", "windows-1253")
    for number in range(400):
        body = draw.randbytes(draw.randrange(300))
        text, charset, source = decode(body, labels[number % len(labels)])
        assert pa.array([text]).to_pylist() == [text]
        assert "\0" not in text
        assert charset and source in ("http", "bom", "meta", "detected", "fallback")
