"""One Pandera model per table, importable by every ring."""

from dataset_platform.contracts.base import LABELS, PARTITION_COLUMN, Contract
from dataset_platform.contracts.driving import (
    BronzeFrames,
    BronzeMaps,
    CameraImages,
    GoldFeatures,
    RawTfrecords,
    SilverFrames,
)
from dataset_platform.contracts.ledger import Quarantine, Rejections
from dataset_platform.contracts.reasoning import CotAnnotations, CotQuality, CotTraces, Keyframes
from dataset_platform.contracts.self_correction import LabelledTurns, Questions, Traces
from dataset_platform.contracts.web import (
    DedupedCorpus,
    Documents,
    DuplicateLinks,
    FilteredDocuments,
    RawWarcs,
    SignatureIndex,
    SpanIndex,
)

__all__ = [
    "LABELS",
    "PARTITION_COLUMN",
    "BronzeFrames",
    "BronzeMaps",
    "CameraImages",
    "Contract",
    "CotAnnotations",
    "CotQuality",
    "CotTraces",
    "DedupedCorpus",
    "Documents",
    "DuplicateLinks",
    "FilteredDocuments",
    "GoldFeatures",
    "Keyframes",
    "LabelledTurns",
    "Quarantine",
    "Questions",
    "RawTfrecords",
    "RawWarcs",
    "Rejections",
    "SignatureIndex",
    "SpanIndex",
    "SilverFrames",
    "Traces",
]
