"""Language identification, alone and on a real crawl whose languages are known."""

import pytest

from dataset_platform.demo.articles import ARTICLES
from dataset_platform.kernels.web.charset import decode
from dataset_platform.kernels.web.extraction import extract_text
from dataset_platform.kernels.web.http import decode_body, parse_response
from dataset_platform.kernels.web.language import LanguageIdentifier
from dataset_platform.kernels.web.warc import WarcRecord, read_records
from dataset_platform.setup.lid_model import lid_model_path


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier(lid_model_path())


def test_known_languages_in_one_batch(identifier):
    texts = {language: "\n".join(paragraphs) for language, (_, paragraphs) in ARTICLES.items()}
    texts["en"] = "The lamp was ordered in the capital,\nand the keeper wrote down the weather every night."
    languages, scores = identifier.predict(list(texts.values()))
    assert languages == list(texts)
    assert all(0.65 <= score <= 1 for score in scores)


def test_alone_or_in_a_batch_the_answer_is_the_same(identifier):
    texts = ["\n".join(paragraphs) for _, paragraphs in ARTICLES.values()]
    languages, scores = identifier.predict(texts)
    alone = [identifier.predict([text]) for text in texts]
    assert [one[0][0] for one in alone] == languages
    assert [one[1][0] for one in alone] == scores


def test_only_the_first_2000_characters_count(identifier):
    german = " ".join(ARTICLES["de"][1]) * 2
    assert identifier.predict([german[:2000]]) == identifier.predict([german[:2000] + " English words follow" * 500])


def test_odd_texts(identifier):
    languages, scores = identifier.predict(["", " \n ", "…!?", "word\0word\r\nword"])
    assert languages[:2] == ["und", "und"]
    assert all(0 <= score <= 1 for score in scores)
    assert identifier.predict([]) == ([], [])


def test_a_missing_model_is_an_error_and_a_model_is_loaded_once(identifier, tmp_path):
    with pytest.raises(ValueError):
        LanguageIdentifier(tmp_path / "nothing.ftz")
    assert LanguageIdentifier(lid_model_path())._model is identifier._model


def test_loading_prints_nothing(capfd):
    from dataset_platform.kernels.web.language import _load

    _load.__wrapped__(str(lid_model_path()))
    assert capfd.readouterr() == ("", "")


def test_translated_pages_of_a_real_crawl_are_of_their_folders_language(real_data, identifier):
    """First path segment: the page's language. A page counts as translated where its English twin has under half of it.

    Headings that alone are translated are often no part of the text.
    """
    texts: dict[str, str] = {}
    path = real_data / "web" / "install.warc.gz"
    with path.open("rb") as stream:
        for item in read_records(stream, path.stat().st_size):
            if not isinstance(item, WarcRecord) or item.type != "response":
                continue
            response = parse_response(item.block)
            if response.status == 200 and response.content_type == "text/html":
                html, _, _ = decode(decode_body(response, 1 << 25), response.charset)
                texts[item.target_uri.split("/", 3)[3]] = extract_text(html)
    assert len(texts) == 1616
    languages = dict(zip(texts, identifier.predict(list(texts.values()))[0], strict=True))
    translated = []
    for page, text in texts.items():
        folder, _, rest = page.partition("/")
        if rest and folder != "en" and len(text) >= 200:
            english = set(texts.get(f"en/{rest}", "").splitlines())
            own = sum(len(line) for line in text.splitlines() if line not in english)
            if own > len(text) / 2:
                translated.append((folder.split("_")[0], languages[page]))
    wrong = [found for expected, found in translated if found != expected]
    assert len(translated) > 1350
    assert len(wrong) / len(translated) <= 0.01
    assert set(wrong) <= {"en"}  # a good part of them is English
