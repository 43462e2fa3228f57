"""Features of blocks: each column holds what its name says, and none is ever not a number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_platform.kernels.web.extraction import features, kinds, learned, stacking, tags, vocabulary
from dataset_platform.kernels.web.extraction.learned import TAG_WORDS, WHOLE_MARK

NAMES = (*features.NAMES, *kinds.NAMES, *stacking.NAMES)
PAGE = """<title>Green tea</title><nav><a href=/>Home page</a></nav><main class="post content">
<h1>Green tea</h1><p>It is made of leaves, 12 of them. They were not fermented.</p><p>It is made of leaves, 12 of them.
They were not fermented.</p><h2>See also</h2><ul><li><a href=x>Black tea</a> (4 €)</li><li>White tea</li></ul></main>"""


def known(**scores: float) -> vocabulary.Vocabulary:
    """A vocabulary of class words with scores; the first has feature 0."""
    keys = np.array([tags.hash_of(word) for word in scores], np.uint32)
    bits = np.full(len(keys), -1, np.int16)
    bits[:1] = 0
    empty = np.zeros(0, np.uint32)
    values = np.array(list(scores.values()), np.float32)
    return vocabulary.build((keys, values, bits), (keys, values), (empty, np.zeros(0, np.int16)))


def columns(html: str, words: vocabulary.Vocabulary) -> dict[str, list[float]]:
    rows = learned.features_of(learned.read(html), words).rows
    assert rows.shape[1] == len(NAMES) == learned.WIDTH
    return {name: rows[:, place].tolist() for place, name in enumerate(NAMES)}


def test_names_are_distinct():
    assert len(set(NAMES)) == len(NAMES)


def test_columns_hold_what_they_are_called():
    found = columns(PAGE, known(post=2.0, content=1.0, tea=-0.5))
    # Home page / Green tea / paragraph twice / See also / Black tea (4 €) / White tea
    assert found["words"] == [2, 2, 12, 12, 2, 3, 2]
    assert found["link_share"][0] == 1 and found["link_share"][2] == 0 and 0.5 < found["link_share"][5] < 1
    assert found["stops"] == [0, 0, 2, 2, 0, 0, 0] and found["sentences"][2] == 2
    assert found["currency"] == [0, 0, 0, 0, 0, 1, 0]
    assert found["duplicates"] == [1, 1, 2, 2, 1, 1, 1] and found["is_repeat"] == [0, 0, 0, 1, 0, 0, 0]
    assert found["title_overlap"] == [0, 1, 0, 0, 0, pytest.approx(1 / 3), 0.5]
    assert found["heading_level"] == [0, 1, 0, 0, 2, 0, 0]
    assert found["heading_distance"] == [-1, -1, 1, 2, 3, 1, 2]
    assert found["after_h1"] == [0, 0, 1, 1, 1, 1, 1]
    assert found["words_before"] == [0, 2, 4, 16, 28, 30, 33] and found["words_after"][-1] == 0
    assert found["path_sum"] == [0, 3, 3, 3, 3, 3, 3]
    assert found["text_sum"] == [0, -0.5, 0, 0, 0, -0.5, -0.5]
    assert found["in_nav"] == [1, 0, 0, 0, 0, 0, 0] and found["in_li"] == [0, 0, 0, 0, 0, 1, 1]
    assert found["class_0"] == [0, 1, 1, 1, 1, 1, 1] and sum(found["class_1"]) == 0
    assert found["near+1_words"] == [2, 12, 12, 2, 3, 2, -1] and found["near-1_heading"] == [0, 0, 1, 0, 0, 1, 0]
    assert found["group0_count"] == [1, 1, 2, 2, 1, 2, 2]
    assert found["container1_blocks"][5] == 2  # the list
    assert found["page_blocks"] == [7] * 7
    assert found["core_half"] == [0, 0, 0, 1, 0, 0, 0]  # the last element that holds half of the running text
    assert found["core_most"] == [0, 1, 1, 1, 1, 1, 1]


def test_scripts_without_blanks_are_measured_by_their_characters():
    found = columns("<p>茶は葉から作られる飲み物である。</p><p>Tea is a drink.</p>", known())
    assert found["wide_share"][0] > 0.9 and found["wide_share"][1] == 0
    assert found["stops"] == [1, 1] and found["words_before"][1] > 6


def test_hash_words_stand_for_tags_and_whole_blocks():
    keys = np.array([TAG_WORDS[tags.NAMES.index("li")]], np.uint32)
    score = np.array([-3.0], np.float32)
    read = learned.read("<ul><li>Read more</li></ul><p>Read more</p><p>More to read</p>")
    whole = np.array([read.whole[0] ^ WHOLE_MARK], np.uint32)
    words = vocabulary.build((keys, score, np.array([-1], np.int16)), (whole, score), (whole, np.array([0], np.int16)))
    rows = learned.features_of(read, words).rows
    assert rows[:, NAMES.index("own_score")].tolist() == [-3, 0, 0]
    assert rows[:, NAMES.index("whole_score")].tolist() == [-3, -3, 0]


@given(st.lists(st.sampled_from(["<p>", "<ul><li>", "<h2>", "</ul>", "<a href=x>", "</a>", "<div class='post'>", "</div>",
                                 "<tr><td>", "a b c.", "漢字。", "1,2 €", "<h1>", "<main>"]), max_size=40))  # fmt: skip
def test_every_feature_is_a_number(parts):
    read = learned.read("".join(parts))
    if not len(read.page.node):
        return
    rows = learned.features_of(read, known(post=1.0, a=0.5))
    said = np.linspace(0, 1, len(rows.rows)).astype(np.float32)
    learned.second_stage(read, rows, said)
    assert np.isfinite(rows.rows).all()
    assert rows.rows[:, NAMES.index("said")].tolist() == said.tolist()
    vector = learned.page_vector(rows)
    assert np.isfinite(vector).all() and len(vector) == len(features.NAMES) + 2 * features.TEXT_COUNT
