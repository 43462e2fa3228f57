import json
from collections import Counter
from itertools import zip_longest

import numpy as np
import pytest

from dataset_platform.errors import ConfigError, ContractError, InputError
from dataset_platform.kernels.tokens import bpe, mixtures, shards
from dataset_platform.kernels.tokens.mixtures import MixtureConfig, PhaseConfig
from dataset_platform.kernels.tokens.reader import read_mixture
from dataset_platform_tests.kernels.tokens.corpus import documents, tokenizer, write_lane

WEIGHTS = {"web": 0.6, "synthetic": 0.3, "traces": 0.1}
MIXED = MixtureConfig(
    phase_1=PhaseConfig(weights=WEIGHTS, tokens=4_000),
    phase_2=PhaseConfig(weights={"web": 0.2, "traces": 0.8}, tokens=5_000),
    final=PhaseConfig(weights={"synthetic": 1.0}, tokens=3_000),
)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    root = tmp_path_factory.mktemp("artifacts")
    write_lane(root, documents(), MIXED)
    return root


def ids(records):
    return [record["meta"]["doc_id"] for record in records]


@pytest.mark.parametrize("phase", mixtures.PHASES)
def test_the_shares_read_are_those_achieved(artifacts, phase):
    plan = json.loads((artifacts / mixtures.MIXTURES_PATH).read_bytes())[phase]
    records = list(read_mixture(artifacts, phase, verify=True))
    tokens: Counter[str] = Counter()
    for record in records:
        tokens[record["meta"]["source"]] += len(record["tokens"])
    assert len(records) == plan["records"] and sum(tokens.values()) == plan["tokens"]
    assert {source: tokens[source] / plan["tokens"] for source in plan["achieved"]} == plan["achieved"]
    for source, share in plan["weights"].items():
        assert plan["achieved"][source] == pytest.approx(share, abs=0.08)


def test_the_shares_hold_all_along(artifacts):
    plan = json.loads((artifacts / mixtures.MIXTURES_PATH).read_bytes())["phase_1"]
    seen, total, longest = Counter(), 0, 0
    for record in read_mixture(artifacts, "phase_1"):
        seen[record["meta"]["source"]] += len(record["tokens"])
        total, longest = total + len(record["tokens"]), max(longest, len(record["tokens"]))
        for source, share in plan["achieved"].items():
            assert abs(seen[source] - share * total) <= 2 * longest


def test_by_default_three_phases_are_every_document_once(tmp_path):
    table = documents()
    write_lane(tmp_path, table)
    read = [record for phase in mixtures.PHASES for record in read_mixture(tmp_path, phase)]
    assert sorted(ids(read)) == sorted(table["doc_id"].to_pylist())


@pytest.mark.parametrize(("world_size", "workers"), [(1, 3), (2, 2), (5, 1)])
def test_consumers_share_the_one_order(artifacts, world_size, workers):
    alone = ids(read_mixture(artifacts, "phase_2"))
    parts = [
        ids(read_mixture(artifacts, "phase_2", rank=rank, world_size=world_size, worker=worker, workers=workers))
        for rank in range(world_size)
        for worker in range(workers)
    ]
    dealt = [doc_id for turn in zip_longest(*parts) for doc_id in turn if doc_id is not None]
    assert dealt == alone


def test_records_are_whole(artifacts):
    loaded = bpe.load(tokenizer().vocab_json, tokenizer().merges_txt)
    for record in read_mixture(artifacts, "final"):
        assert record["tokens"].dtype == np.int32 and record["offsets"].shape == (len(record["tokens"]), 2)
        assert loaded.decode(record["tokens"].tolist(), skip_special_tokens=False) == record["text"]
        assert record["offsets"][-1, 1] == len(record["text"])
        assert set(record["meta"]) == {field.name for field in shards.META_TYPE}
    slim = list(read_mixture(artifacts, "final", columns=("tokens",)))
    assert set(slim[0]) == {"tokens"} and len(slim) == len(list(read_mixture(artifacts, "final")))


def test_files_can_be_opened_by_the_caller(artifacts):
    opened = []

    def remote(path):
        opened.append(path)
        return (artifacts / path.removeprefix("store://bucket/artifacts/")).open("rb")

    records = list(read_mixture("store://bucket/artifacts", "phase_1", open=remote))
    assert ids(records) == ids(read_mixture(artifacts, "phase_1"))
    assert all(path.startswith("store://bucket/artifacts/tokens/") for path in opened)


def test_the_lane_is_the_same_for_any_batch_size_and_order(artifacts, tmp_path):
    write_lane(tmp_path, documents().take(list(range(120))[::-1]), MIXED, batch_size=7)
    files = sorted(path.relative_to(artifacts) for path in artifacts.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert all((tmp_path / file).read_bytes() == (artifacts / file).read_bytes() for file in files)


def test_what_cannot_be_read_is_refused(artifacts, tmp_path):
    with pytest.raises(ConfigError, match="phase_9"):
        next(read_mixture(artifacts, "phase_9"))
    with pytest.raises(ConfigError):
        next(read_mixture(artifacts, "final", rank=1))
    with pytest.raises(ConfigError, match="pixels"):
        next(read_mixture(artifacts, "final", columns=("pixels",)))
    with pytest.raises(InputError, match="Materialize tokens/manifest"):
        next(read_mixture(tmp_path, "final"))

    entries = write_lane(tmp_path, documents(90))
    older = (artifacts / mixtures.MIXTURES_PATH).read_bytes()
    planned = (tmp_path / mixtures.MIXTURES_PATH).read_bytes()
    (tmp_path / mixtures.MIXTURES_PATH).write_bytes(older)
    with pytest.raises(InputError, match="tokens/mixtures"):
        next(read_mixture(tmp_path, "final"))
    (tmp_path / mixtures.MIXTURES_PATH).write_bytes(planned)
    for entry in entries:
        data = bytearray((tmp_path / entry.path).read_bytes())
        data[20] ^= 1
        (tmp_path / entry.path).write_bytes(data)
    with pytest.raises(ContractError):
        list(read_mixture(tmp_path, "phase_1", verify=True))
