"""What the UI shows of gold, keyframes and traces."""

from __future__ import annotations

from collections import Counter

import pytest

from dataset_platform.contracts import Contract, CotTraces, GoldFeatures, Keyframes
from dataset_platform.defs.driving import previews
from dataset_platform.defs.metadata import Metadata, Published, Show
from dataset_platform.demo.driving.world import sample_scenes
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.lake.driving_lake import DAY, fill

PICTURE = "](data:image/png;base64,"


@pytest.fixture
def filled(home, monkeypatch: pytest.MonkeyPatch):
    tables = fill(str(home / "lake"), list(sample_scenes(2, 4)))

    def show(contract: type[Contract], shows: tuple[Show, ...] | list[Show], day: str = DAY) -> Metadata:
        count = tables[contract].num_rows if day == DAY else 0
        receipt = Receipt(contract.table_name(), day, count, count, 0, 0)
        table = LakeTable(contract, str(home / "lake"))

        def no_session():
            raise AssertionError("previews of this lane start no Spark")

        of = Published(table, day, receipt, no_session)
        return {key: value for one in shows for key, value in one(of).items()}

    return show, tables


def test_every_table_shows_its_scenes_and_shares(filled) -> None:
    show, tables = filled
    for contract, shows in (
        (GoldFeatures, previews.GOLD_SHOWS),
        (Keyframes, previews.KEYFRAME_SHOWS),
        (CotTraces, previews.COT_TRACES_SHOWS),
    ):
        shown = show(contract, shows)
        scenarios = len(set(tables[contract].column("scenario_id").to_pylist()))
        assert shown["scenes"].value.count(PICTURE) == min(scenarios, previews.MOST_SCENES)
        assert shown["by_complexity"].value.count(PICTURE) == 1


def test_traces_show_routes_texts_and_figures(filled) -> None:
    show, tables = filled
    shown = show(CotTraces, previews.COT_TRACES_SHOWS)
    assert shown["escalated_share"] == 0.0
    assert shown["validated_share"] == 1.0
    assert shown["simulated"] is False
    first = min(tables[CotTraces].to_pylist(), key=lambda r: (r["complexity"], r["frame_id"]))
    assert first["text"].splitlines()[0] in shown["traces"].value
    assert "> Justification: " in shown["traces"].value


def test_routes_count_what_the_rows_say(filled, monkeypatch: pytest.MonkeyPatch) -> None:
    show, tables = filled
    drawn: dict[str, dict[str, int]] = {}
    monkeypatch.setattr(previews, "bars", lambda counts, title: drawn.update({title: dict(counts)}))
    shown = show(CotTraces, [previews.routes])
    rows = tables[CotTraces].to_pylist()
    assert drawn["traces by writer and route"] == Counter(f"{r['generator']}, {r['route']}" for r in rows)
    assert drawn["decisions"] == Counter(f"{r['longitudinal']}, {r['lateral'].replace('_', ' ')}" for r in rows)
    assert drawn["stated risk"] == Counter(r["overall_risk"] for r in rows)
    assert shown["cost_usd"] == pytest.approx(sum(r["cost_usd"] or 0.0 for r in rows))


def test_days_without_rows_show_nothing(filled) -> None:
    show, _ = filled
    assert show(GoldFeatures, previews.GOLD_SHOWS, "2026-01-06") == {}
    assert show(Keyframes, previews.KEYFRAME_SHOWS, "2026-01-06") == {}
    assert show(CotTraces, previews.COT_TRACES_SHOWS, "2026-01-06") == {}


def test_known_values_come_first_and_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[str]] = []
    monkeypatch.setattr(previews, "bars", lambda counts, title: drawn.append(list(counts)))
    previews._ordered(Counter({"z": 5, "high": 1, "low": 2}), "t", ("low", "medium", "high"))
    assert drawn == [["low", "high", "z"]]
