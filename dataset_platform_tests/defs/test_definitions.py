"""The definitions as Dagster sees them: cheap and quiet to load, and every asset says what a reader of the UI needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dataset_platform import contracts
from dataset_platform.contracts import (
    Contract,
    DedupedCorpus,
    Documents,
    FilteredDocuments,
    LabelledTurns,
    Questions,
    RawWarcs,
    Traces,
)
from dataset_platform.definitions import defs
from dataset_platform.partitions import daily

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ["ray", "torch", "vllm", "delta", "numba", "transformers", "datasets"]
GRAPH = defs.resolve_asset_graph()
KEYS = sorted(key.to_user_string() for key in GRAPH.materializable_asset_keys)
DRIVING = [
    c
    for c in vars(contracts).values()
    if isinstance(c, type) and issubclass(c, Contract) and c.lane_name() == "driving"
]
TABLES = {
    c.table_name(): c
    for c in (RawWarcs, Documents, FilteredDocuments, DedupedCorpus, LabelledTurns, Questions, Traces, *DRIVING)
}
# loads the definitions as a Dagster code server does, and says what that brought along
PROBE = """
import json, subprocess, sys, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from dataset_platform.definitions import defs
    defs.resolve_asset_graph()
    dg_checks = len(list(defs.resolve_asset_graph().asset_check_keys))
children = subprocess.run(["ps", "-o", "comm=", "--ppid", str(__import__("os").getpid())], capture_output=True, text=True)
print(json.dumps({
    "modules": sorted(sys.modules),
    "warnings": [[w.filename, str(w.message)] for w in caught],
    "children": [c for c in children.stdout.split() if c != "ps"],
    "checks": dg_checks,
}))
"""


def environment(home: Path) -> dict[str, str]:
    quiet = {k: v for k, v in os.environ.items() if not k.startswith(("DAGSTER_", "PYTHONWARNINGS"))}
    return quiet | {"DATASET_PLATFORM_HOME": str(home), "DAGSTER_HOME": ""}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a fresh process holds once it has loaded the definitions."""
    home = tmp_path_factory.mktemp("loaded") / "home"
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=ROOT, env=environment(home), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert not home.exists(), "loading the definitions wrote below the home"
    return json.loads(done.stdout.splitlines()[-1]) | {"stderr": done.stderr}


@pytest.mark.parametrize("module", HEAVY)
def test_loading_imports_no_engine_and_no_model_library(loaded, module):
    assert [m for m in loaded["modules"] if m == module or m.startswith(module + ".")] == []


def test_loading_starts_no_process_and_no_jvm(loaded):
    assert loaded["children"] == []


def test_loading_is_quiet(loaded):
    assert [w for w in loaded["warnings"] if "/dataset_platform/" in w[0]] == []
    assert loaded["stderr"] == ""
    assert loaded["checks"] > len(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_asset_says_what_it_is_whose_it_is_and_which_code_makes_it(key):
    node = GRAPH.get(dg.AssetKey(key.split("/")))
    assert node.group_name == key.split("/")[0]
    assert node.kinds
    assert node.owners
    assert all(owner.startswith("team:") or "@" in owner for owner in node.owners)
    assert node.tags.get("layer") in ("raw", "table", "artifact")
    assert node.description
    assert len(node.description) > 20
    assert node.code_version


@pytest.mark.parametrize("key", KEYS)
def test_every_asset_has_a_blocking_check_and_every_check_a_description(key):
    specs = [GRAPH.get_check_spec(c) for c in GRAPH.get_check_keys_for_assets({dg.AssetKey(key.split("/"))})]
    assert any(spec.blocking for spec in specs)
    assert all(spec.description for spec in specs)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_shows_its_columns_with_descriptions(name):
    shown = GRAPH.get(dg.AssetKey(name.split("/"))).metadata["dagster/column_schema"]
    columns = getattr(shown, "value", shown).columns
    assert [c.name for c in columns] == TABLES[name].column_names()
    assert all(c.description and c.type for c in columns)


def test_all_that_has_days_has_the_one_axis_of_days():
    partitioned = {k: GRAPH.get(dg.AssetKey(k.split("/"))).partitions_def for k in KEYS}
    files = {"tokens/tokenized_shards", "self_correction/rts_policy", "self_correction/policy_evaluation"}
    assert {k for k, axis in partitioned.items() if axis is not None} == {*TABLES, *files}
    assert {axis for axis in partitioned.values() if axis is not None} == {daily}


def test_dg_check_defs_is_clean(tmp_path):
    dg_command = Path(sys.executable).with_name("dg")
    done = subprocess.run(
        [dg_command, "check", "defs"],
        cwd=ROOT,
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=240,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "successfully" in output
    # Dagster warns of a preview scaffolder in its own Spark integration; what is ours says nothing
    assert [line for line in output.splitlines() if "Warning" in line and "site-packages" not in line] == []
    assert "Traceback" not in output
