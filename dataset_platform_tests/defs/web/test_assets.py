"""Declarations of the web lane's tables."""

from __future__ import annotations

from pathlib import Path

import pytest
import xxhash

from dataset_platform.defs.web import assets
from dataset_platform.kernels.web.extraction.model import MODEL_FILE


def test_documents_are_of_another_version_when_the_model_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert assets.documents.code_versions_by_key[assets.documents.key] == f"2-{assets.extraction_model()}"
    assert xxhash.xxh3_64_hexdigest(MODEL_FILE.read_bytes()).startswith(assets.extraction_model())
    other = tmp_path / "extraction" / "model.npz"
    other.parent.mkdir()
    other.write_bytes(b"fitted again")
    shipped = assets.extraction_model()
    monkeypatch.setattr(assets.resources, "files", lambda package: tmp_path)
    assert assets.extraction_model() != shipped
