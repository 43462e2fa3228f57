"""Settings of deduplication."""

from pydantic import BaseModel, ConfigDict, Field


class DedupConfig(BaseModel):
    """How duplicates are found.

    14 bands of 8 rows over word 5-grams is FineWeb's choice (Penedo et al. 2024, arXiv:2406.17557): it makes 92 % of the
    pairs at Jaccard 0.8 candidates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bands: int = Field(14, ge=1, description="LSH bands")
    rows: int = Field(8, ge=1, description="MinHash values per band")
    ngram: int = Field(5, ge=1, description="words per shingle")
    jaccard_threshold: float = Field(
        0.8, gt=0.0, le=1.0, description="true similarity from which two texts are duplicates"
    )
    max_bucket: int = Field(500, ge=2, description="documents in a band's bucket up to which all pairs are compared")
    bucket_hubs: int = Field(10, ge=1, description="documents that the others of a larger bucket are compared with")
