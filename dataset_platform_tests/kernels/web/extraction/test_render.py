"""The chosen blocks as text: blank lines, items, rows of tables."""

import numpy as np

from dataset_platform.kernels.web.extraction import learned, render, scan


def rendered(html: str, *left_out: str) -> str:
    page = scan.scan(html.encode())
    return render.render(page, np.array([text not in left_out for text in learned.block_texts(page)], bool))


def test_blank_lines_stand_between_blocks():
    assert rendered("<h1>a</h1><p>b</p><div>c<br>d</div>e") == "a\n\nb\n\nc\nd\n\ne"
    assert rendered("<h1>a</h1><p>b</p><p>c</p>", "b") == "a\n\nc"
    assert rendered("") == ""


def test_items_follow_each_other_with_bullets():
    html = "<p>x</p><ul><li>a<li><p>b</p><p>c</p><li>d</ul><p>y</p>"
    assert rendered(html) == "x\n\n• a\n• b\nc\n• d\n\ny"
    assert rendered(html, "b") == "x\n\n• a\nc\n• d\n\ny"


def test_cells_of_a_row_share_a_line():
    assert rendered("<table><tr><th>a<th>b<tr><td>1<td>2</table><p>c") == "a | b\n1 | 2\n\nc"


def test_code_keeps_its_lines():
    assert rendered("<pre>def f():\n    return 1\n</pre>x") == "def f():\n    return 1\n\nx"
