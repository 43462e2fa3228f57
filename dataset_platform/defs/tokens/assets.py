"""The tokens lane: corpus → tokenizer → shards → manifest → mixtures."""

import dagster as dg

from dataset_platform.defs.artifacts import artifact_asset
from dataset_platform.defs.tokens import manifest, shards, tokenizer


def _on(key: str) -> dg.AssetDep:
    return dg.AssetDep(dg.AssetKey(key.split("/")))


tokenizer_asset = artifact_asset(
    "tokens/tokenizer",
    make=tokenizer.make_tokenizer,
    audit=tokenizer.audit_tokenizer,
    checks=tokenizer.CHECKS,
    deps=[_on("web/deduped_corpus")],
    description="Byte-level BPE, trained on a deterministic sample of a range of days and then frozen.",
    kinds=("spark", "json"),
)

shards_asset = artifact_asset(
    "tokens/tokenized_shards",
    make=shards.make_shards,
    audit=shards.audit_shards,
    checks=shards.CHECKS,
    deps=[_on("web/deduped_corpus"), _on("tokens/tokenizer")],
    description="The day's documents as token ids with offsets, in length buckets, shuffled, one source per shard.",
    partitioned=True,
    version=shards.VERSION,
    kinds=("spark", "parquet"),
)

manifest_asset = artifact_asset(
    "tokens/manifest",
    make=manifest.make_manifest,
    audit=manifest.audit_manifest,
    checks=manifest.MANIFEST_CHECKS,
    deps=[_on("tokens/tokenized_shards"), _on("tokens/tokenizer")],
    description="The shards of all finished days in their global order, with hashes; beside it the dataset card.",
    kinds=("python", "json"),
)

mixtures_asset = artifact_asset(
    "tokens/mixtures",
    make=manifest.make_mixtures,
    audit=manifest.audit_mixtures,
    checks=manifest.MIXTURES_CHECKS,
    deps=[_on("tokens/manifest")],
    description="Which share of which source each training phase reads: asked, achieved, repeats and caps.",
    kinds=("python", "json"),
)

ASSETS = [tokenizer_asset, shards_asset, manifest_asset, mixtures_asset]
