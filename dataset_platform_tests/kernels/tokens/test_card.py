import pyarrow as pa
import yaml

from dataset_platform.kernels.tokens import card

FACTS = card.CardFacts(
    title='Demo: a "small" corpus',
    summary="Two crawls.",
    first_day="2024-05-01",
    last_day="2024-05-03",
    languages={"en": 900, "de": 1_200},
    sources=[
        card.SourceFacts(name="debian", licence="GPL-2.0", records=2_000, tokens=50_000, shards=3, distinct_hosts=4),
        card.SourceFacts(name="crawl", records=100, tokens=1_000, shards=1),
    ],
    funnel=[
        card.FunnelStep(stage="web/documents", rows_in=3_000, rows_kept=2_500, rows_rejected=490, rows_quarantined=10),
        card.FunnelStep(
            stage="web/filtered_documents", rows_in=2_500, rows_kept=2_100, rows_rejected=400, reasons={"a|b": 400}
        ),
    ],
    versions={"pyarrow": "26", "web/deduped_corpus": "12"},
    tokenizer_fingerprint="ab" * 32,
    vocab_size=32_000,
    held_out={"bytes_per_token": 3.98765, "unknown_tokens": 0},
    mixtures={"phase_1": {"sources": {"debian": {"weight": 1, "achieved": 1, "tokens": 7, "repeats": 1, "cap": 4}}}},
)


def front_matter(text):
    _, header, body = text.split("---\n", 2)
    return yaml.safe_load(header), body


def test_card_says_what_there_is_and_what_is_not_known():
    header, body = front_matter(card.dataset_card(FACTS))
    assert header["pretty_name"] == 'Demo: a "small" corpus'
    assert header["license"] == "other" and header["language"] == ["de", "en"]
    assert header["size_categories"] == ["1K<n<10K"]
    assert [config["config_name"] for config in header["configs"]] == ["debian", "crawl"]
    assert "| debian | GPL-2.0 | 2,000 | 50,000 | 3 | 4 |" in body
    assert "| crawl | unknown | 100 | 1,000 | 1 | not counted |" in body
    assert "Nobody has stated a licence for crawl" in body
    assert "| all |  | 2,100 | 51,000 | 4 |  |" in body
    assert "| web/filtered_documents | 2,500 | 2,100 | 400 | 0 | a\\|b 400 |" in body
    assert "ab" * 32 in body and "bytes_per_token: 3.988" in body and "| pyarrow | 26 |" in body
    assert "| phase_1 | debian | 1.0000 | 1.0000 | 7 | 1.00 | 4 |" in body
    assert card.dataset_card(FACTS) == card.dataset_card(FACTS)


def test_one_licence_stands_in_the_header_and_none_is_unknown():
    one = FACTS.model_copy(update={"sources": FACTS.sources[:1]})
    assert front_matter(card.dataset_card(one))[0]["license"] == "gpl-2.0"
    none = FACTS.model_copy(update={"sources": FACTS.sources[1:], "mixtures": None, "funnel": [], "languages": {}})
    header, _ = front_matter(card.dataset_card(none))
    assert (header["license"], header["license_name"]) == ("other", "unknown")


def test_hosts_are_counted_the_same_by_one_worker_or_many():
    urls = [f"https://user@Host{n % 3_000}.example.org:443/p?{n}" for n in range(9_000)]
    table = pa.table({"source": ["web"] * 9_000, "url": urls})
    extra = pa.table({"source": ["web", "b", "b", "b"], "url": [None, "http://x.org", "HTTP://X.org/2", "no url"]})
    batches = pa.concat_tables([table, extra]).to_batches(max_chunksize=1_000)
    once = card.distinct_hosts(card.host_sketches(batches))
    parts = [sketch for batch in batches[::-1] for sketch in card.host_sketches([batch])]
    assert card.distinct_hosts(parts) == once
    assert once["b"] == 1 and abs(once["web"] - 3_000) < 90
    assert list(card.host_sketches([])) == [] and card.distinct_hosts([]) == {}
