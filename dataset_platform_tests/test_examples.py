"""The example programs run, and their workers together read each record once."""

from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from dataset_platform.kernels.tokens.reader import read_mixture
from dataset_platform_tests.kernels.tokens.corpus import documents, write_lane

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    root = tmp_path_factory.mktemp("artifacts")
    write_lane(root, documents())
    return str(root)


def example(name):
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expected(artifacts):
    return Counter(record["meta"]["doc_id"] for record in read_mixture(artifacts, "phase_1"))


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_loader_reads_each_record_once(artifacts, workers):
    pytest.importorskip("torch")
    module = example("read_mixture_torch")
    read: Counter[str] = Counter()
    for batch in module.loader(artifacts, "phase_1", batch_size=8, workers=workers):
        assert batch["input_ids"].shape == batch["attention_mask"].shape
        assert (batch["input_ids"][batch["attention_mask"] == 0] == module.PAD_ID).all()
        assert (batch["input_ids"][batch["attention_mask"] == 1] >= 5).all()
        read.update(meta["doc_id"] for meta in batch["meta"])
    assert read == expected(artifacts)


@pytest.mark.parametrize("parts", [1, 3])
def test_datasets_reads_each_record_once(artifacts, parts):
    pytest.importorskip("datasets")
    stream = example("read_mixture_datasets").dataset(artifacts, "phase_1", parts)
    assert stream.num_shards == parts
    rows = list(stream)
    assert Counter(row["meta"]["doc_id"] for row in rows) == expected(artifacts)
    assert rows[0]["tokens"] and len(rows[0]["offsets"]) == len(rows[0]["tokens"])


@pytest.mark.parametrize("name", ["read_mixture_torch", "read_mixture_datasets"])
def test_examples_run_and_say_what_is_missing(artifacts, tmp_path, monkeypatch, capsys, name):
    pytest.importorskip(name.rpartition("_")[2])
    module = example(name)
    monkeypatch.setattr("sys.argv", [name, artifacts, "--examples", "2"])
    module.main()
    assert "tokens" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", [name, str(tmp_path)])
    with pytest.raises(SystemExit, match="Materialize tokens/manifest first"):
        module.main()
