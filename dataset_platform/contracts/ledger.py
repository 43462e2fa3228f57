"""Contracts of the two tables that every lane shares: what was rejected, and what could not be decoded."""

from dataset_platform.contracts.base import PARTITION_COLUMN, Contract, Date, Float64, Int64, String, column


class Rejections(
    Contract,
    table="rejections",
    key=("doc_id", "lane", "stage", "file", "offset"),
    partition_by=(PARTITION_COLUMN, "lane", "stage"),
):
    """Every row that a stage did not take, with the rule and its measure."""

    doc_id: String = column("id of the rejected row")
    reason: String = column("name of the rule")
    measure: Float64 = column("the value the rule compared with its threshold", nullable=True)
    detail: String = column("the rule in words, with threshold or counterpart", nullable=True)
    measures: String = column("all measures of the row as JSON, where the stage took any", nullable=True)
    url: String = column("target URI, where the lane has one", nullable=True)
    source: String = column("name of the data source", nullable=True)
    file: String = column("source file", nullable=True)
    offset: Int64 = column("first byte of the record in the file", nullable=True)
    length: Int64 = column("bytes of the record in the file", nullable=True)
    ingestion_date: Date = column("UTC day of the rejected row")
    lane: String = column("lane of the stage")
    stage: String = column("artifact that did not take the row")


class Quarantine(
    Contract,
    table="quarantine",
    key=("lane", "stage", "file", "offset"),
    partition_by=(PARTITION_COLUMN, "lane", "stage"),
):
    """Bytes that could not be decoded: which file, where, and why."""

    file: String = column("source file")
    offset: Int64 = column("first undecodable byte", ge=0)
    length: Int64 = column("bytes affected; null where the end is unknown", nullable=True)
    error: String = column("why the bytes could not be decoded")
    url: String = column("target URI, where it could still be read", nullable=True)
    ingestion_date: Date = column("UTC day of the file")
    lane: String = column("lane of the stage")
    stage: String = column("artifact that met the bytes")
