"""The checks of every table: planted violations are found and counted, sums must hold, drift is told from the usual."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from dataset_platform.contracts import DedupedCorpus, Documents, DuplicateLinks, Quarantine, Rejections
from dataset_platform.lake.audit import Finding, conservation_finding, contract_finding, drift_finding
from dataset_platform.lake.receipts import Receipt
from dataset_platform_tests.contracts.rows import DAY, doc_id, document, good_row, labelled, table


def documents(spark: SparkSession, rows: list[dict[str, Any]], parts: int = 2) -> DataFrame:
    frame = spark.createDataFrame(labelled(Documents, rows)).repartition(parts)
    return frame.select(*Documents.data_schema().names)


def broken(finding: Finding) -> Counter[tuple[str, str]]:
    return Counter({(f["column"], f["check"]): f["rows"] for f in finding.details.get("failures", [])})


def test_good_rows_pass_whatever_their_spread(spark: SparkSession) -> None:
    rows = [document(n, warc_date=None, content_type=None) if n % 3 else document(n) for n in range(30)]
    for parts in (1, 4):
        finding = contract_finding(documents(spark, rows, parts), Documents, DAY)
        assert finding.passed and finding.severity == "ERROR" and finding.name == "contract"
        assert not finding.details


def test_no_rows_pass(spark: SparkSession) -> None:
    assert contract_finding(documents(spark, []), Documents, DAY).passed


def test_planted_violations_are_found_and_counted_by_column_and_rule(spark: SparkSession) -> None:
    rows = [document(n) for n in range(60)]
    planted: dict[int, dict[str, Any]] = {
        **{n: {"language_score": 1.5} for n in (3, 17, 41, 59)},
        5: {"text": None},
        6: {"charset_source": "guess"},
        7: {"charset_source": "hearsay"},
        8: {"offset": -1, "length": 0},
        9: {"doc_id": "short"},
    }
    for number, changes in planted.items():
        rows[number] |= changes
    finding = contract_finding(documents(spark, rows, 5), Documents, DAY)
    assert not finding.passed
    found = Counter[str]()
    for (column, _), count in broken(finding).items():
        found[column] += count
    assert found == {"language_score": 4, "text": 1, "charset_source": 2, "offset": 1, "length": 1, "doc_id": 1}
    assert "4 rows break language_score: less_than_or_equal_to(1.0) (for example '1.5')" in finding.message
    assert "\n" not in finding.message


def test_a_repeated_row_key_is_a_broken_contract(spark: SparkSession) -> None:
    rows = [document(1), document(2), document(3), document(2, offset=9), document(3, offset=10)]
    finding = contract_finding(documents(spark, rows, 3), Documents, DAY)
    assert broken(finding) == {("doc_id", "unique"): 2}
    assert finding.details["failures"][0]["example"] in (doc_id(2), doc_id(3))


def test_a_key_of_two_columns_repeats_only_as_a_whole(spark: SparkSession) -> None:
    def pair(a: int, b: int) -> dict[str, Any]:
        row = good_row(DuplicateLinks, doc_id=doc_id(a), linked_doc_id=doc_id(b))
        del row["ingestion_date"]
        return row

    def audit(*pairs: tuple[int, int]) -> Finding:
        frame = spark.createDataFrame(labelled(DuplicateLinks, [pair(a, b) for a, b in pairs]))
        return contract_finding(frame.select(*DuplicateLinks.data_schema().names), DuplicateLinks, DAY)

    assert audit((2, 1), (3, 1), (3, 2)).passed
    assert broken(audit((2, 1), (3, 1), (2, 1))) == {("doc_id+linked_doc_id", "unique"): 1}


@pytest.mark.parametrize("contract", [Rejections, Quarantine, DedupedCorpus])
def test_tables_with_other_partition_columns_are_checked_on_their_data_columns(spark: SparkSession, contract) -> None:
    names = contract.data_schema().names
    good = spark.createDataFrame(table(contract, [good_row(contract)]).select(names))
    assert contract_finding(good, contract, DAY).passed
    first = contract.row_key()[0] if contract is not Quarantine else "error"
    bad = spark.createDataFrame(table(contract, [good_row(contract, **{first: None})]).select(names))
    assert (first, "not_nullable") in broken(contract_finding(bad, contract, DAY))


def receipt(rows_in: int, kept: int, rejected: int = 0, quarantined: int = 0) -> Receipt:
    return Receipt("web/documents", DAY, rows_in, kept, rejected, quarantined)


def test_conservation_holds_when_every_row_is_accounted_for() -> None:
    finding = conservation_finding(receipt(10, 6, 3, 1), {"kept": 6, "rejected": 3, "quarantined": 1}, upstream=10)
    assert finding.passed
    assert finding.message == "10 in = 6 kept + 3 rejected + 1 quarantined"
    assert finding.severity == "ERROR"
    assert conservation_finding(receipt(0, 0)).passed
    assert conservation_finding(receipt(4, 0, 3, 1)).passed


@pytest.mark.parametrize("numbers", [(10, 6, 3, 0), (10, 6, 3, 2), (0, 1, 0, 0), (5, 0, 0, 0)])
def test_conservation_fails_when_a_row_is_lost_or_made_up(numbers: tuple[int, int, int, int]) -> None:
    finding = conservation_finding(receipt(*numbers))
    assert not finding.passed
    assert f"{numbers[0]} in ≠ {sum(numbers[1:])} accounted for" in finding.message


@pytest.mark.parametrize("name", ["kept", "rejected", "quarantined"])
def test_conservation_fails_when_the_lake_holds_other_rows_than_the_receipt_says(name: str) -> None:
    found = {"kept": 6, "rejected": 3, "quarantined": 1}
    finding = conservation_finding(receipt(10, 6, 3, 1), found | {name: 9})
    assert not finding.passed
    assert f"9 rows {name} in the lake, {found[name]} in the receipt" in finding.message


def test_conservation_fails_when_the_stage_above_has_changed_since() -> None:
    finding = conservation_finding(receipt(10, 10), upstream=11)
    assert not finding.passed
    assert "the stage above has 11 rows now, this day was made from 10" in finding.message


@pytest.mark.parametrize(
    ("today", "passed"),
    [
        (receipt(300, 150), True),
        (receipt(900, 450), True),
        (receipt(100, 50), True),
        (receipt(1000, 500), False),
        (receipt(90, 45), False),
        (receipt(300, 205), True),
        (receipt(300, 215), False),
        (receipt(300, 95), True),
        (receipt(300, 85), False),
        (receipt(300, 0, 300), False),
        (receipt(0, 0), True),
    ],
)
def test_drift_warns_when_size_or_share_kept_leave_the_usual(today: Receipt, passed: bool) -> None:
    usual = [receipt(300, 150), receipt(290, 145), receipt(310, 155)]
    for trailing in (usual, [*usual, receipt(5000, 5000), receipt(1, 0)]):  # a median does not follow one odd day
        finding = drift_finding(today, trailing)
        assert (finding.passed, finding.severity, finding.name) == (passed, "WARN", "drift")


def test_drift_waits_for_three_days_with_data() -> None:
    for count in range(3):
        assert drift_finding(receipt(10_000, 0), [receipt(10, 10)] * count).passed
    assert not drift_finding(receipt(10_000, 0), [receipt(10, 10)] * 3).passed
