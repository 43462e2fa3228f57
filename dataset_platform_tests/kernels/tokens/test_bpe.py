import hashlib
import json
import os
import random
import subprocess
import sys

import pyarrow as pa
import pytest
from pydantic import ValidationError
from tokenizers import ByteLevelBPETokenizer

from dataset_platform.errors import ConfigError, ContractError, InputError
from dataset_platform.kernels.tokens import bpe
from dataset_platform_tests.kernels.tokens.corpus import TOKENIZER, documents, tokenizer


def test_files_are_what_hf_reads_and_begin_with_the_specials(tmp_path):
    trained = tokenizer()
    vocab = json.loads(trained.vocab_json)
    assert list(vocab)[:5] == ["<s>", "</s>", "<pad>", "<unk>", "<mask>"]
    assert list(vocab.values()) == list(range(trained.vocab_size))
    assert trained.vocab_size == TOKENIZER.vocab_size
    (tmp_path / "v.json").write_bytes(trained.vocab_json)
    (tmp_path / "m.txt").write_bytes(trained.merges_txt)
    hf = ByteLevelBPETokenizer.from_file(str(tmp_path / "v.json"), str(tmp_path / "m.txt"))
    ours = bpe.load(trained.vocab_json, trained.merges_txt)
    for text in documents(30)["text"].to_pylist():
        assert hf.encode(text).ids == ours.encode(text).ids
        assert hf.encode(text).offsets == ours.encode(text).offsets


def test_training_does_not_depend_on_order():
    texts = documents(seed=2)["text"].to_pylist()
    for seed in (1, 2, 3):
        random.Random(seed).shuffle(texts)
        assert bpe.train(iter(texts), TOKENIZER) == tokenizer()


def test_training_does_not_depend_on_process_or_threads():
    code = (
        "from dataset_platform_tests.kernels.tokens.corpus import tokenizer; print(tokenizer().fingerprint, flush=True)"
    )
    env = {**os.environ, "RAYON_NUM_THREADS": "5", "PYTHONHASHSEED": "5"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == tokenizer().fingerprint


def test_fingerprint_is_the_hash_of_both_files():
    trained = tokenizer()
    assert trained.fingerprint == hashlib.sha256(trained.vocab_json + trained.merges_txt).hexdigest()
    assert trained.fingerprint != bpe.fingerprint(trained.vocab_json, trained.merges_txt + b"a b\n")


def test_any_text_survives_and_specials_are_plain_text():
    loaded = bpe.load(tokenizer().vocab_json, tokenizer().merges_txt)
    texts = ["", "a\x00b", "<s></s><pad><unk><mask>", "🏳️‍🌈 e\u0301 \r\n\t ", "\u2028x" * 50, "long " * 20_000]
    for text in texts + documents()["text"].to_pylist():
        ids = loaded.encode(text).ids
        assert loaded.decode(ids, skip_special_tokens=False) == text
        assert not ids or min(ids) >= len(bpe.SPECIALS)
    assert bpe.held_out_metrics(loaded, texts)["lossless_share"] == 1.0


def test_held_out_metrics_count_what_they_say():
    loaded = bpe.load(tokenizer().vocab_json, tokenizer().merges_txt)
    metrics = bpe.held_out_metrics(loaded, iter(["the data", "日本語"]))
    tokens = len(loaded.encode("the data").ids) + len(loaded.encode("日本語").ids)
    assert (metrics["documents"], metrics["bytes"], metrics["tokens"]) == (2, 17, tokens)
    assert metrics["bytes_per_token"] == 17 / tokens
    assert metrics["tokens_per_word"] == tokens / 3
    assert metrics["unknown_tokens"] == 0
    assert bpe.held_out_metrics(loaded, [])["bytes_per_token"] is None


def test_split_is_ninety_ten_and_by_id_alone():
    ids = [f"{n:032x}" for n in range(20_000)]
    held = bpe.is_validation(ids, TOKENIZER)
    assert 0.09 < held.mean() < 0.11
    assert (bpe.is_validation(ids[::-1], TOKENIZER)[::-1] == held).all()
    assert (held != bpe.is_validation(ids, bpe.TokenizerConfig(seed=18))).any()
    assert set(bpe.split_names(ids, TOKENIZER)) == {"train", "validation"}


@pytest.mark.parametrize("validation", [False, True])
def test_sample_is_the_same_in_one_run_or_many(validation):
    table = documents(400).select(["doc_id", "text"])
    config = bpe.TokenizerConfig(sample_bytes=2_000)
    kernel = bpe.sample(config, validation=validation)
    once = pa.Table.from_batches(kernel(table.to_batches()), bpe.SAMPLE_SCHEMA)
    shuffled = table.take(random.Random(3).sample(range(400), 400))
    parts = [
        batch for part in range(4) for batch in kernel(shuffled.slice(part * 100, 100).to_batches(max_chunksize=7))
    ]
    assert pa.Table.from_batches(kernel(parts), bpe.SAMPLE_SCHEMA).equals(once)

    sizes = [len(text.encode()) for text in once["text"].to_pylist()]
    assert sum(sizes) >= 2_000 > sum(sizes[:-1])
    assert set(bpe.is_validation(once["doc_id"].to_pylist(), config).tolist()) == {validation}
    assert once["sample_key"].to_pylist() == sorted(once["sample_key"].to_pylist())


def test_specials_can_be_chosen_but_not_so_that_text_makes_them():
    texts = documents(seed=2)["text"].to_pylist()
    config = bpe.TokenizerConfig(vocab_size=400, specials=("<unk>", "<|end|>"))
    trained = bpe.train(iter(texts), config)
    loaded = bpe.load(trained.vocab_json, trained.merges_txt)
    assert loaded.decode([1, *loaded.encode("<|end|>").ids], skip_special_tokens=True) == "<|end|>"
    with pytest.raises(ConfigError, match="data"):
        bpe.train(iter(["data"] * 9), bpe.TokenizerConfig(vocab_size=400, specials=("<unk>", "data")))


def test_nothing_to_train_on_is_an_error():
    with pytest.raises(InputError):
        bpe.train(iter([]), TOKENIZER)


def test_broken_files_are_refused():
    for vocab, merges in ((b"{", b""), (b"{}", b"#version\n"), (tokenizer().vocab_json, b"#version\nnot-a-pair\n")):
        with pytest.raises(ContractError):
            bpe.load(vocab, merges)


@pytest.mark.parametrize(
    "bad", [{"days": "2024-01-01"}, {"days": "2024-02-01:2024-01-01"}, {"vocab_size": 100}, {"specials": ("<s>",)}]
)
def test_config_is_checked(bad):
    with pytest.raises(ValidationError):
        bpe.TokenizerConfig(**bad)
