"""Features of each block: its text, what it lies in, its neighbours, its like on the page, and the page."""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web.extraction import tags
from dataset_platform.kernels.web.extraction.elements import find_core, meet, structure
from dataset_platform.kernels.web.extraction.lexical import find_in
from dataset_platform.kernels.web.extraction.vocabulary import CLASS_BITS, PAGE_BITS

__all__ = ["GROUPS", "LEVELS", "NAMES", "TEXT_COUNT", "block_features"]

LEVELS = 6  # block-level ancestors looked at
GROUPS = 3  # levels whose like on the page is looked at
_NEAR = (-3, -2, -1, 1, 2, 3)
_WINDOWS = (3, 8, 20)

_TEXT = (
    "characters", "words", "wide_share", "capital_share", "digit_share", "stops", "commas", "marks", "title_share",
    "word_length", "currency", "ends_stopped", "first_kind", "longest", "sentences", "separators", "symbols",
    "link_share", "links", "bold_share", "pictures_before", "inputs_before", "breaks", "duplicates", "is_repeat",
    "title_overlap", "title_cover", "text_mean", "text_min", "text_max", "text_sum", "whole_score",
)  # fmt: skip
_PLACE = (
    "order", "words_before", "words_after", "word_order", "depth", "heading_level", "heading_distance", "heading_text",
    "heading_words", "after_h1", "h1_distance", "after_title", "title_distance", "core_half", "core_most", "core_all",
    "core_half_distance", "core_most_distance", "own_score", "own_min", "own_max", "up_score", "up_min", "up_max",
    "path_sum", "path_min", "path_max", "block_tag", "same_parent_before", "same_parent_after", "depth_before",
    "depth_after", "heading_link", "heading_rank", "heading_up", "heading_down", "title_up", "title_down", "title_around",
    "longest_up", "longest_down", "longest_around", "before_up", "before_down",
)  # fmt: skip
_CONTAINER = ("words", "link_share", "blocks", "of_page", "good_share", "score", "place", "punctuation")
_GROUP = ("count", "words", "link_share", "of_page", "good_share")
_NEIGHBOUR = ("words", "link_share", "punctuation", "text_mean", "path_sum", "heading")
_WINDOW = ("words", "link_share", "good_share", "text_mean")
_PAGE = (
    "blocks", "words", "link_share", "good_share", "item_share", "paragraph_share", "heading_blocks", "table_share",
    "articles", "inputs", "pictures", "text_mean", "path_mean", "main_share", "article_share", "words_per_block",
    "half_core_share", "currency", "code_share", "longest",
)  # fmt: skip
NAMES = (
    *_TEXT,
    *_PLACE,
    *(f"container{level}_{what}" for level in range(LEVELS) for what in _CONTAINER),
    *(f"group{level}_{what}" for level in range(GROUPS) for what in _GROUP),
    *(f"near{step:+d}_{what}" for step in _NEAR for what in _NEIGHBOUR),
    *(f"window{size}_{what}" for size in _WINDOWS for what in _WINDOW),
    *(f"page_{what}" for what in _PAGE),
    *(f"in_{what}" for what in tags.CONTEXTS),
    *(f"class_{bit}" for bit in range(CLASS_BITS)),
    *(f"page_type_{bit}" for bit in range(PAGE_BITS)),
)
_WIDTH = len(NAMES)
TEXT_COUNT, _PLACE_COUNT, _PAGE_COUNT = len(_TEXT), len(_PLACE), len(_PAGE)
_CONTEXT_COUNT = len(tags.CONTEXTS)
_NEAR_STEPS = np.array(_NEAR)
_WINDOW_SIZES = np.array(_WINDOWS)
_HALF_BITS = CLASS_BITS // 2
_H1, _H6, _P, _LI, _ARTICLE, _BODY = (tags.NAMES.index(n) for n in ("h1", "h6", "p", "li", "article", "body"))
_IN_LI, _IN_P, _IN_TABLE, _IN_ARTICLE, _IN_MAIN, _IN_PRE, _IN_CODE, _IN_HIDDEN = (
    1 << tags.CONTEXTS.index(n) for n in ("li", "p", "table", "article", "main", "pre", "code", "hidden")
)


@numba.njit(cache=True)
def _slot(keys, key):  # type: ignore[no-untyped-def]
    """Place of ``key`` in a table of 64-bit keys, or of the empty place it would take."""
    mask = len(keys) - 1
    slot = numba.int64((key * numba.uint64(0x9E3779B97F4A7C15)) >> numba.uint64(40)) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@numba.njit(cache=True)
def _power(least):  # type: ignore[no-untyped-def]
    size = 16
    while size < least:
        size *= 2
    return size


@numba.njit(cache=True)
def block_features(  # type: ignore[no-untyped-def]
    width, start, node, measures, tag, parent, depth, context, first, last, words_from, class_words, page_words,
    counts, words, first_word, whole, title_words, flags, tag_words,
    class_keys, class_scores, class_bits, text_keys, text_scores, page_keys, page_bits,
):  # fmt: skip
    """Features (blocks × width, float32; columns behind NAMES are left zero), and what the second stage asks for.

    That is: block-level ancestors (blocks × LEVELS), like-group numbers (blocks × GROUPS), words before each block and
    in all (blocks + 1), and each element's nearest block-level element.
    """
    n = len(node)
    scores, bits, signature, holder = structure(
        tag, parent, words_from, class_words, flags, tag_words, class_keys, class_scores, class_bits
    )
    out = np.zeros((n, width), np.float32)
    ancestors = np.zeros((n, LEVELS), np.int32)
    groups = np.zeros((n, GROUPS), np.int32)
    # words of the title, and of the text
    title_keys = np.zeros(_power(4 * len(title_words)), np.uint64)
    title_size = 0
    for word in title_words:
        key = numba.uint64(word) + numba.uint64(1)
        slot = _slot(title_keys, key)
        if title_keys[slot] == 0:
            title_size += 1
        title_keys[slot] = key
    whole_keys = np.zeros(_power(2 * n), np.uint64)
    whole_counts = np.zeros(len(whole_keys), np.int32)
    for block in range(n):
        slot = _slot(whole_keys, numba.uint64(whole[block]) + numba.uint64(1))
        whole_keys[slot] = numba.uint64(whole[block]) + numba.uint64(1)
        whole_counts[slot] += 1
    seen = np.zeros(len(whole_keys), np.int32)
    sums = np.zeros((n + 1, 5), np.float64)
    link_share = np.zeros(n, np.float32)
    text_mean = np.zeros(n, np.float32)
    good_block = np.zeros(n, np.bool_)
    title_block, title_best = -1, numba.float32(0.0)
    h1_block = -1
    pictures, inputs = 0, 0
    for block in range(n):
        row = out[block]
        c = counts[block]
        characters, n_words = max(c[1], numba.float32(1)), c[2]
        size = max(c[0], numba.float32(1))
        low, high, total = numba.float32(0), numba.float32(0), numba.float32(0)
        overlap = 0
        for place in range(first_word[block], first_word[block + 1]):
            slot = find_in(text_keys, words[place])
            if slot >= 0:
                value = text_scores[slot]
                total += value
                low = min(low, value)
                high = max(high, value)
            if title_size and title_keys[_slot(title_keys, numba.uint64(words[place]) + numba.uint64(1))] != 0:
                overlap += 1
        slot = find_in(text_keys, whole[block] ^ numba.uint32(0x5BD1E995))
        whole_score = text_scores[slot] if slot >= 0 else numba.float32(0)
        slot = _slot(whole_keys, numba.uint64(whole[block]) + numba.uint64(1))
        seen[slot] += 1
        link = measures[block, 0] / size
        link_share[block] = link
        mean = total / max(n_words, numba.float32(1))
        text_mean[block] = mean
        share = overlap / max(n_words, numba.float32(1))
        cover = min(overlap, title_size) / max(title_size, 1)
        in_heading = _H1 <= tag[holder[node[block]]] <= _H6
        if in_heading and share * cover > title_best:
            title_best, title_block = numba.float32(share * cover), block
        if h1_block < 0 and tag[holder[node[block]]] == _H1:
            h1_block = block
        good = n_words + c[3] / 2 >= 12 and link < 0.4 and c[6] + c[7] > 0
        good_block[block] = good
        weight = n_words + c[3] / 2
        sums[block + 1, 0] = sums[block, 0] + weight
        sums[block + 1, 1] = sums[block, 1] + weight * link
        sums[block + 1, 2] = sums[block, 2] + (weight if good else 0.0)
        sums[block + 1, 3] = sums[block, 3] + c[6] + c[7]
        sums[block + 1, 4] = sums[block, 4] + total
        row[0], row[1], row[2], row[3] = c[1], n_words, c[3] / characters, c[4] / max(c[10], numba.float32(1))
        row[4], row[5], row[6], row[7] = c[5] / characters, c[6], c[7], c[8]
        row[8], row[9] = c[9] / max(n_words, numba.float32(1)), (c[10] + c[5]) / max(n_words, numba.float32(1))
        row[10], row[11], row[12], row[13], row[14], row[15], row[16] = c[11], c[12], c[13], c[14], c[15], c[16], c[17]
        row[17], row[18], row[19] = link, measures[block, 1], measures[block, 2] / size
        row[20], row[21], row[22] = measures[block, 3] - pictures, measures[block, 4] - inputs, measures[block, 5]
        pictures, inputs = measures[block, 3], measures[block, 4]
        row[23], row[24] = whole_counts[slot], seen[slot] > 1
        row[25], row[26], row[27], row[28], row[29], row[30], row[31] = (
            share,
            cover,
            mean,
            low,
            high,
            total,
            whole_score,
        )
    all_words = max(sums[n, 0], 1.0)
    good = sums[:, 2].copy()
    all_good = good[n]
    half = find_core(0.5 * all_good, good, first, last, holder) if all_good > 0 else 0
    most = find_core(0.8 * all_good, good, first, last, holder) if all_good > 0 else 0
    whole_core = find_core(0.97 * all_good, good, first, last, holder) if all_good > 0 else 0

    # like groups: block-level ancestors with the same signature
    group_keys = np.zeros(_power(2 * GROUPS * n + 2), np.uint64)
    group_number = np.zeros(len(group_keys), np.int32)
    group_sums = np.zeros((GROUPS * n + 1, 5), np.float32)
    group_last = np.full(GROUPS * n + 1, -1, np.int32)
    n_groups = 0
    for block in range(n):
        at = holder[node[block]]
        for level in range(LEVELS):
            ancestors[block, level] = at
            if level < GROUPS:
                key = (numba.uint64(signature[at]) << numba.uint64(2)) + numba.uint64(level + 1)
                slot = _slot(group_keys, key)
                if group_keys[slot] == 0:
                    group_keys[slot] = key
                    group_number[slot] = n_groups
                    n_groups += 1
                group = group_number[slot]
                groups[block, level] = group
                if group_last[group] != at:
                    group_sums[group, 0] += 1
                    group_last[group] = at
                weight = sums[block + 1, 0] - sums[block, 0]
                group_sums[group, 1] += weight
                group_sums[group, 2] += weight * link_share[block]
                group_sums[group, 3] += weight if good_block[block] else 0.0
            if at:
                at = holder[parent[at]]

    # the page as a whole
    page = np.zeros(_PAGE_COUNT, np.float32)
    page[0], page[1], page[2], page[3] = n, all_words, sums[n, 1] / all_words, sums[n, 2] / all_words
    path_total = 0.0
    for block in range(n):
        here = context[node[block]]
        weight = sums[block + 1, 0] - sums[block, 0]
        page[4] += weight if here & _IN_LI else 0.0
        page[5] += weight if here & _IN_P else 0.0
        page[6] += 1.0 if _H1 <= tag[ancestors[block, 0]] <= _H6 else 0.0
        page[7] += weight if here & _IN_TABLE else 0.0
        page[13] += weight if here & _IN_MAIN else 0.0
        page[14] += weight if here & _IN_ARTICLE else 0.0
        page[17] += counts[block, 11]
        page[18] += weight if here & (_IN_PRE | _IN_CODE) else 0.0
        page[19] = max(page[19], counts[block, 2])
        path_total += scores[node[block], 3] * weight
    for place in (4, 5, 7, 13, 14, 18):
        page[place] /= all_words
    for at in range(len(tag)):
        if tag[at] == _ARTICLE:
            page[8] += 1
    page[9], page[10], page[11], page[12] = inputs, pictures, sums[n, 4] / all_words, path_total / all_words
    page[15] = all_words / max(n, 1)
    page[16] = (sums[last[half], 0] - sums[first[half], 0]) / all_words
    type_bits = 0
    for word in page_words:
        slot = find_in(page_keys, word)
        if slot >= 0:
            type_bits |= 1 << page_bits[slot]

    longest = -1
    for block in range(n):
        if good_block[block] and (longest < 0 or counts[block, 1] > counts[longest, 1]):
            longest = block
    heading = -1
    for block in range(n):
        row = out[block]
        own = node[block]
        box = ancestors[block, 0]
        up = parent[box]
        k = TEXT_COUNT
        row[k] = block / n
        row[k + 1] = sums[block, 0]
        row[k + 2] = sums[n, 0] - sums[block + 1, 0]
        row[k + 3] = sums[block, 0] / all_words
        row[k + 4] = depth[own]
        is_heading = _H1 <= tag[box] <= _H6
        row[k + 5] = tag[box] - _H1 + 1 if is_heading else 0
        if heading >= 0:
            row[k + 6] = block - heading
            row[k + 7] = text_mean[heading]
            row[k + 8] = sums[block, 0] - sums[heading + 1, 0]
        else:
            row[k + 6], row[k + 7], row[k + 8] = -1, 0, -1
        if is_heading:
            heading = block
        row[k + 9] = -1 if h1_block < 0 else (1 if block > h1_block else 0)
        row[k + 10] = -9999 if h1_block < 0 else block - h1_block
        row[k + 11] = -1 if title_block < 0 else (1 if block > title_block else 0)
        row[k + 12] = -9999 if title_block < 0 else block - title_block
        row[k + 13] = first[half] <= block < last[half]
        row[k + 14] = first[most] <= block < last[most]
        row[k + 15] = first[whole_core] <= block < last[whole_core]
        row[k + 16] = 0 if row[k + 13] else (block - first[half] if block < first[half] else block - last[half] + 1)
        row[k + 17] = 0 if row[k + 14] else (block - first[most] if block < first[most] else block - last[most] + 1)
        row[k + 18], row[k + 19], row[k + 20] = scores[own, 0], scores[own, 1], scores[own, 2]
        row[k + 21], row[k + 22], row[k + 23] = scores[up, 0], scores[up, 1], scores[up, 2]
        row[k + 24], row[k + 25], row[k + 26] = scores[own, 3], scores[own, 4], scores[own, 5]
        row[k + 27] = tag[box]
        row[k + 28] = 1 if block and parent[ancestors[block - 1, 0]] == up else 0
        row[k + 29] = 1 if block + 1 < n and parent[ancestors[block + 1, 0]] == up else 0
        row[k + 30] = depth[node[block - 1]] - depth[own] if block else 99
        row[k + 31] = depth[node[block + 1]] - depth[own] if block + 1 < n else 99
        last_heading = block - numba.int64(row[k + 6]) if row[k + 6] >= 0 else -1
        for anchor, place in ((last_heading, 34), (title_block, 36), (longest, 39), (block - 1, 42)):
            if anchor < 0:
                row[k + place], row[k + place + 1] = -1, -1
                continue
            around = meet(own, node[anchor], parent, depth)
            row[k + place] = depth[own] - depth[around]
            row[k + place + 1] = depth[node[anchor]] - depth[around]
            if place == 36 or place == 39:
                row[k + place + 2] = (sums[last[around], 0] - sums[first[around], 0]) / all_words
        if last_heading >= 0:
            row[k + 32], row[k + 33] = link_share[last_heading], tag[ancestors[last_heading, 0]] - _H1 + 1
        k += _PLACE_COUNT
        for level in range(LEVELS):
            at = ancestors[block, level]
            from_, to = first[at], last[at]
            inside = max(sums[to, 0] - sums[from_, 0], 1e-6)
            row[k] = inside
            row[k + 1] = (sums[to, 1] - sums[from_, 1]) / inside
            row[k + 2] = to - from_
            row[k + 3] = inside / all_words
            row[k + 4] = (sums[to, 2] - sums[from_, 2]) / inside
            row[k + 5] = scores[at, 0]
            row[k + 6] = (block - from_) / max(to - from_, 1)
            row[k + 7] = (sums[to, 3] - sums[from_, 3]) / inside
            k += 8
        for level in range(GROUPS):
            sum_ = group_sums[groups[block, level]]
            inside = max(sum_[1], numba.float32(1e-6))
            row[k] = sum_[0]
            row[k + 1] = inside / sum_[0]
            row[k + 2] = sum_[2] / inside
            row[k + 3] = inside / all_words
            row[k + 4] = sum_[3] / inside
            k += 5
        for step in _NEAR_STEPS:
            other = block + step
            if 0 <= other < n:
                row[k] = counts[other, 2]
                row[k + 1] = link_share[other]
                row[k + 2] = counts[other, 6] + counts[other, 7]
                row[k + 3] = text_mean[other]
                row[k + 4] = scores[node[other], 3]
                row[k + 5] = 1 if _H1 <= tag[ancestors[other, 0]] <= _H6 else 0
            else:
                row[k], row[k + 1] = -1, -1
            k += 6
        for size in _WINDOW_SIZES:
            from_, to = max(block - size, 0), min(block + size + 1, n)
            inside = max(sums[to, 0] - sums[from_, 0], 1e-6)
            row[k] = inside / (to - from_)
            row[k + 1] = (sums[to, 1] - sums[from_, 1]) / inside
            row[k + 2] = (sums[to, 2] - sums[from_, 2]) / inside
            row[k + 3] = (sums[to, 4] - sums[from_, 4]) / inside
            k += 4
        for value in page:
            row[k] = value
            k += 1
        here = context[own]
        for bit in range(_CONTEXT_COUNT):
            row[k] = (here >> bit) & 1
            k += 1
        for bit in range(_HALF_BITS):
            row[k] = (bits[own, 0] >> bit) & 1
            row[k + _HALF_BITS] = (bits[own, 1] >> bit) & 1
            k += 1
        k += _HALF_BITS
        for bit in range(PAGE_BITS):
            row[k] = (type_bits >> bit) & 1
            k += 1
    return out, ancestors, groups, sums[:, 0].copy(), holder
