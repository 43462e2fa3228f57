"""Contracts: what every one declares, and which rows each of them takes and refuses."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pandera.errors import SchemaErrors

from dataset_platform import contracts
from dataset_platform.contracts import LABELS, Contract
from dataset_platform_tests.contracts.rows import good_row, table

ALL: list[type[Contract]] = [
    c for c in vars(contracts).values() if isinstance(c, type) and issubclass(c, Contract) and c is not Contract
]
every_contract = pytest.mark.parametrize("contract", ALL, ids=lambda c: c.__name__)
TYPES = {
    *(pa.string(), pa.binary(), pa.int32(), pa.int64(), pa.float64(), pa.bool_(), pa.date32()),
    pa.timestamp("us", tz="UTC"),
}


def validate(contract: type[Contract], frame: pd.DataFrame) -> set[tuple[str, str]]:
    """Broken columns and rules."""
    try:
        contract.validate(frame, lazy=True)
    except SchemaErrors as e:
        cases = e.failure_cases
        return {(str(c), str(k)) for c, k in zip(cases["column"], cases["check"], strict=True)}
    return set()


def frame(contract: type[Contract], *rows: dict[str, Any]) -> pd.DataFrame:
    return table(contract, list(rows)).to_pandas(types_mapper=pd.ArrowDtype)


def test_every_contract_of_the_package_is_tested_here() -> None:
    assert {c.__name__ for c in ALL} == set(contracts.__all__) - {"Contract", "LABELS", "PARTITION_COLUMN"}
    names = [c.table_name() for c in ALL]
    assert len(set(names)) == len(names)


@every_contract
def test_schema_key_and_partition_fit_together(contract: type[Contract]) -> None:
    schema = contract.arrow_schema()
    assert schema.names == contract.column_names()
    nested = {f.name for f in schema if f.type not in TYPES}
    assert all(pa.types.is_list(schema.field(name).type) for name in nested)
    assert not nested or contract is contracts.Traces or contract.lane_name() == "driving"
    assert contract.partition_columns()[0] == "ingestion_date"
    assert schema.field("ingestion_date").type == pa.date32()
    assert {*contract.row_key(), *contract.partition_columns()} <= set(schema.names)
    assert not any(schema.field(name).nullable for name in contract.partition_columns())
    assert [n for n in schema.names if n not in contract.partition_columns()] == contract.data_schema().names
    lane, _, artifact = contract.table_name().rpartition("/")
    assert (contract.lane_name(), contract.artifact_name()) == (lane, artifact)


@every_contract
def test_table_and_every_column_are_described_and_units_are_in_the_name(contract: type[Contract]) -> None:
    assert (contract.__doc__ or "").strip()
    for field in contract.arrow_schema():
        description = field.metadata[b"doc"].decode()
        assert len(description) > 5, field.name
        if field.name.endswith("_bytes"):
            assert "bytes" in description and field.type == pa.int64()
        if field.name == "text_length":
            assert "characters" in description
        if field.name in ("offset", "length"):
            assert "byte" in description
        if field.name.endswith("_score"):
            assert "probability" in description
        if field.name.endswith(("_ratio", "_frac")) or field.name == "jaccard":
            assert field.type == pa.float64()


@every_contract
def test_labelled_rows_are_the_data_columns_all_nullable_then_the_labels(contract: type[Contract]) -> None:
    labelled = contract.labelled_schema()
    assert labelled.names == contract.data_schema().names + LABELS.names
    assert all(f.nullable for f in labelled)
    assert [f.type for f in labelled][: -len(LABELS)] == [f.type for f in contract.data_schema()]
    assert len(set(labelled.names)) == len(labelled.names) or contract in (contracts.Rejections, contracts.Quarantine)


@every_contract
def test_a_good_row_is_taken_and_so_is_no_row(contract: type[Contract]) -> None:
    assert validate(contract, frame(contract, good_row(contract))) == set()
    assert validate(contract, frame(contract)) == set()


@every_contract
def test_nulls_are_refused_just_where_the_contract_has_none(contract: type[Contract]) -> None:
    for field in contract.arrow_schema():
        broken = validate(contract, frame(contract, good_row(contract), good_row(contract, **{field.name: None})))
        assert broken == (set() if field.nullable else {(field.name, "not_nullable")})


@every_contract
def test_unknown_missing_and_mistyped_columns_are_refused(contract: type[Contract]) -> None:
    good = frame(contract, good_row(contract))
    assert validate(contract, good.assign(surprise=1))
    for name in contract.column_names():
        assert validate(contract, good.drop(columns=name)), name
    mistyped = good.assign(**{contract.row_key()[0]: pd.array([1], dtype=pd.ArrowDtype(pa.int32()))})
    assert contract.row_key()[0] in {c for c, rule in validate(contract, mistyped) if rule.startswith("dtype(")}


@every_contract
def test_the_order_of_columns_does_not_matter(contract: type[Contract]) -> None:
    good = frame(contract, good_row(contract))
    assert validate(contract, good[good.columns[::-1]]) == set()


@pytest.mark.parametrize(
    ("contract", "column", "values"),
    [
        (contracts.RawWarcs, "size_bytes", [-1]),
        (contracts.Documents, "doc_id", ["", "a" * 31, "a" * 33]),
        (contracts.Documents, "charset_source", ["guess", ""]),
        (contracts.Documents, "html_bytes", [0, -5]),
        (contracts.Documents, "extraction", ["", "guessed"]),
        (contracts.Documents, "extraction_confidence", [-0.01, 1.01]),
        (contracts.Documents, "text", [""]),
        (contracts.Documents, "text_length", [0]),
        (contracts.Documents, "language_score", [-0.01, 1.01, float("nan"), float("inf")]),
        (contracts.Documents, "offset", [-1]),
        (contracts.Documents, "length", [0]),
        (contracts.Documents, "offset_kind", ["compressed"]),
        (contracts.FilteredDocuments, "word_count", [-1]),
        (contracts.FilteredDocuments, "text", [""]),
        (contracts.FilteredDocuments, "alpha_word_ratio", [-0.1, 1.1, float("nan")]),
        (contracts.FilteredDocuments, "text_hash", ["abc"]),
        (contracts.DedupedCorpus, "cluster_size", [0]),
        (contracts.DedupedCorpus, "cluster_id", ["x"]),
        (contracts.SignatureIndex, "text_length", [0]),
        (contracts.DuplicateLinks, "kind", ["maybe"]),
        (contracts.DuplicateLinks, "jaccard", [-0.1, 1.0001]),
        (contracts.Quarantine, "offset", [-1]),
        (contracts.Questions, "question", [""]),
        (contracts.LabelledTurns, "error_mode", ["lazy", ""]),
        (contracts.LabelledTurns, "source", ["guessed"]),
        (contracts.Traces, "trace_id", ["a" * 31]),
        (contracts.Traces, "final_accuracy", [-0.1, 1.1]),
        (contracts.Traces, "total_turns", [0]),
        (contracts.Traces, "reward_source", ["both"]),
        (contracts.RawTfrecords, "compression", ["zip"]),
        (contracts.BronzeFrames, "scenario_id", [""]),
        (contracts.SilverFrames, "ego_heading_rad", [3.2, -3.2, float("nan")]),
        (contracts.GoldFeatures, "complexity", ["EASY"]),
        (contracts.GoldFeatures, "lane_confidence", [-0.1, 1.1]),
        (contracts.CotTraces, "route", ["guessed"]),
        (contracts.CotTraces, "confidence", [-0.1, 1.1]),
    ],
)
def test_values_out_of_bounds_are_refused_by_column(contract: type[Contract], column: str, values: list[Any]) -> None:
    for value in values:
        broken = validate(contract, frame(contract, good_row(contract), good_row(contract, **{column: value})))
        assert {c for c, _ in broken} == {column}, value


def test_all_broken_rules_of_a_row_are_named() -> None:
    row = good_row(contracts.Documents, text=None, language_score=2.0, offset_kind="x")
    assert {c for c, _ in validate(contracts.Documents, frame(contracts.Documents, row))} == {
        *("text", "language_score", "offset_kind")
    }


def test_a_signature_fits_the_bands_the_contract_speaks_of() -> None:
    from dataset_platform.kernels.web import minhash
    from dataset_platform.kernels.web.duplicates import DedupConfig

    signature = minhash.signature(minhash.word_hashes(minhash.w.split("a b c d e f"))).astype("<u4").tobytes()
    config = DedupConfig()
    assert len(signature) == 4 * config.bands * config.rows == 448
    assert (
        validate(contracts.SignatureIndex, frame(contracts.SignatureIndex, good_row(contracts.SignatureIndex))) == set()
    )
