"""The vocabularies: which class words, text words and page types say that a block is, or is not, main content."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataset_platform.kernels.web.extraction import vocabulary
from dataset_platform.kernels.web.extraction.learned import TAG_WORDS, WHOLE_MARK
from training.extraction.corpus import Example

__all__ = ["learn"]

_CLASS_PAGES, _TEXT_PAGES, _WHOLE_PAGES, _TYPE_PAGES = 4, 6, 4, 8
"""In how many domains a word must occur to be known."""
_SHRINK_CLASS, _SHRINK_TEXT = 0.3, 0.05
"""Pseudo mass, in pages, that pulls a word's odds to the average."""
_LONGEST_WHOLE = 8
_MOST_CLASSES, _MOST_TEXTS = 4_000, 8_000


class _Tally:
    """Mass and content mass by word, each domain at most one page's worth, and the number of domains."""

    def __init__(self) -> None:
        self.rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, int]] = []

    def add(self, words: np.ndarray, mass: np.ndarray, content: np.ndarray, domain: int) -> None:
        unique, place = np.unique(words, return_inverse=True)
        total, hit = np.bincount(place, mass), np.bincount(place, content)
        over = np.maximum(total, 1.0)
        self.rows.append((unique, total / over, hit / over, domain))

    def odds(self, prior: float, domains: int, shrink: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Words in at least so many domains, their log odds against the average, and how telling they are."""
        words = np.concatenate([row[0] for row in self.rows])
        owner = np.concatenate([np.full(len(row[0]), row[3]) for row in self.rows])
        unique, place = np.unique(words, return_inverse=True)
        total = np.bincount(place, np.concatenate([row[1] for row in self.rows]))
        hit = np.bincount(place, np.concatenate([row[2] for row in self.rows]))
        pairs = np.unique(place.astype(np.int64) * 1_000_000 + owner)
        spread = np.bincount(pairs // 1_000_000, minlength=len(unique))
        keep = (spread >= domains) & (unique != 0)
        yes = hit + shrink * prior
        no = np.maximum(total - hit, 0) + shrink * (1 - prior)
        odds = np.log(yes / no) - np.log(prior / (1 - prior))
        telling = np.abs(odds) * np.sqrt(np.minimum(total, 50) * spread)
        return unique[keep].astype(np.uint32), odds[keep].astype(np.float32), telling[keep]


def learn(pages: Sequence[Example], like: vocabulary.Vocabulary | None = None) -> vocabulary.Vocabulary:
    """Scores of words from labelled pages; every page has the same say, and every domain.

    Args:
        pages: where words and labels come from.
        like: a vocabulary whose choice of words with a feature of their own is kept, so that models may be trained on
            features of several vocabularies.
    """
    numbers = {domain: n for n, domain in enumerate(sorted({page.domain for page in pages}))}
    count = np.bincount([numbers[page.domain] for page in pages], minlength=len(numbers))
    classes, texts, types = _Tally(), _Tally(), _Tally()
    mass_all = content_all = 0.0
    for page in pages:
        read, share = page.read, page.share
        if not len(share):
            continue
        domain = numbers[page.domain]
        mass = np.sqrt(page.sizes + 1)
        mass = mass / mass.sum() / np.sqrt(count[domain])
        content = mass * share
        mass_all += mass.sum()
        content_all += content.sum()
        before, before_content = np.append(0, np.cumsum(mass)), np.append(0, np.cumsum(content))
        scanned = read.page
        inside = before[scanned.last] - before[scanned.first]
        inside_content = before_content[scanned.last] - before_content[scanned.first]
        owner = np.repeat(np.arange(len(scanned.tag)), np.diff(scanned.words_from))
        # a tag speaks for the blocks that begin right in it, a class word for all that is inside
        words = np.concatenate([scanned.words[: scanned.words_from[-1]], TAG_WORDS[scanned.tag[scanned.node]]])
        classes.add(
            words, np.concatenate([inside[owner], mass]), np.concatenate([inside_content[owner], content]), domain
        )
        sizes = np.diff(read.first_word)
        block = np.repeat(np.arange(len(sizes)), sizes)
        pairs = np.unique(read.words.astype(np.uint64) | (block.astype(np.uint64) << np.uint64(32)))
        block = (pairs >> np.uint64(32)).astype(np.int64)
        short = sizes <= _LONGEST_WHOLE
        words = np.concatenate([(pairs & np.uint64(0xFFFFFFFF)).astype(np.uint32), read.whole[short] ^ WHOLE_MARK])
        texts.add(
            words, np.concatenate([mass[block], mass[short]]), np.concatenate([content[block], content[short]]), domain
        )
        if len(scanned.page_words):
            ones = np.ones(len(scanned.page_words)) / len(scanned.page_words)
            types.add(scanned.page_words, ones, ones * content.sum() / mass.sum(), domain)
    prior = content_all / mass_all
    keys, odds, telling = classes.odds(prior, _CLASS_PAGES, _SHRINK_CLASS)
    order = np.argsort(-telling, kind="stable")[:_MOST_CLASSES]
    keys, odds = keys[order], odds[order]
    if like is None:
        bits = np.full(len(keys), -1, np.int16)
        bits[: vocabulary.CLASS_BITS] = np.arange(min(vocabulary.CLASS_BITS, len(keys)))
    else:
        own = like.class_bits >= 0
        own &= like.class_keys != 0
        missing = np.setdiff1d(like.class_keys[own], keys)
        keys, odds = np.append(keys, missing), np.append(odds, np.zeros(len(missing), np.float32))
        bit_of = dict(zip(like.class_keys[own].tolist(), like.class_bits[own].tolist(), strict=True))
        bits = np.array([bit_of.get(key, -1) for key in keys.tolist()], np.int16)
    text_keys, text_odds, text_telling = texts.odds(prior, _TEXT_PAGES, _SHRINK_TEXT)
    text_order = np.argsort(-text_telling, kind="stable")[:_MOST_TEXTS]
    if like is None:
        type_keys, _, _ = types.odds(prior, _TYPE_PAGES, 1.0)
        spread = {key: sum(key in page.read.page.page_words for page in pages) for key in type_keys.tolist()}
        often = sorted(spread, key=lambda key: (-spread[key], key))[: vocabulary.PAGE_BITS]
        page_types = (np.array(often, np.uint32), np.arange(len(often), dtype=np.int16))
    else:
        there = like.page_keys != 0
        page_types = (like.page_keys[there], like.page_bits[there])
    return vocabulary.build((keys, odds, bits), (text_keys[text_order], text_odds[text_order]), page_types)
