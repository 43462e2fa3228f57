"""C4's line and page rules, each on a text that only this rule changes."""

import pytest

from dataset_platform.kernels.web import c4, words


def clean(text: str, **rules: object) -> c4.Cleaned:
    return c4.clean(words.split(text), c4.LineRules(**rules))  # type: ignore[arg-type]


def removed(cleaned: c4.Cleaned) -> dict[str, int]:
    return {reason: count for reason, count in zip(c4.LINE_REASONS, cleaned.removed, strict=True) if count}


def test_short_lines_go_and_the_rest_is_joined() -> None:
    cleaned = clean("  One two three. \n\nmenu\nhome page\nFour five six\n")
    assert cleaned.text == "One two three.\nFour five six"
    assert cleaned.lines_removed == 2
    assert removed(cleaned) == {"too_few_words": 2}
    assert cleaned.tokens == 7
    assert cleaned.folded.tolist() == words.split(cleaned.text).folded.tolist()


def test_words_of_a_line_are_counted_between_spaces() -> None:
    assert clean("well-known e.g. (x)").text == "well-known e.g. (x)"
    assert clean("well-known things.").text == ""


@pytest.mark.parametrize(("length", "kept"), [(1000, True), (1001, False)])
def test_too_long_word(length: int, kept: bool) -> None:
    line = "one two " + "x" * length
    assert clean(line).text == (line if kept else "")
    assert removed(clean(line)) == ({} if kept else {"too_long_word": 1})


def test_long_lines_without_spaces_are_no_long_word_where_letters_are_words() -> None:
    assert clean("你" * 1500).lines_removed == 1
    assert c4.clean(words.split("你" * 1500, letters=True), c4.LineRules()).lines_removed == 0


def test_citations_are_cut_out() -> None:
    cleaned = clean("Water is wet.[12] Fire[] is hot.[citation needed]\nHistory of it [edit]\n[1] [2] [3]\nAnd so on")
    assert cleaned.text == "Water is wet. Fire is hot.\nHistory of it \n  \nAnd so on", "blanks before a citation stay"
    assert cleaned.lines_removed == 0
    assert clean("Water is wet.[12]", citations=False).text == "Water is wet.[12]"
    assert clean("It has been [Edit] and [ 1 ] and [1.").text == "It has been [Edit] and [ 1 ] and [1."


def test_words_are_counted_before_citations_go() -> None:
    assert clean("One two [3]").text == "One two"
    assert removed(clean("One two[3]")) == {"too_few_words": 1}
    joined = clean("The use of[1] cookies[2] and Java[]script.\nprivacy[1] policy is here")
    assert removed(joined) == {"javascript": 1, "policy": 1}, "phrases are looked for in what is left"


@pytest.mark.parametrize("line", ["Please enable JavaScript to go on.", "This javascript is not for you."])
def test_javascript_lines(line: str) -> None:
    assert clean(f"{line}\nA line that stays.").text == "A line that stays."
    assert removed(clean(line)) == {"javascript": 1}
    assert clean(line, javascript=False).text == line


@pytest.mark.parametrize("phrase", c4.POLICY_PHRASES)
def test_policy_lines(phrase: str) -> None:
    line = f"We have {phrase.upper()} on this site."
    assert removed(clean(line)) == {"policy": 1}
    assert clean(line, policy=False).text == line


def test_terminal_punctuation_is_off_unless_asked_for() -> None:
    text = 'It ends well.\nIt just ends\nIt trails off...\nHe said "so"\nDoes it end?'
    assert clean(text).text == text
    cleaned = clean(text, terminal_punctuation=True)
    assert cleaned.text == 'It ends well.\nHe said "so"\nDoes it end?'
    assert removed(cleaned) == {"no_terminal_punct": 2}


def test_page_rules() -> None:
    assert clean("Here is Lorem Ipsum dolor.").page_reason == "lorem_ipsum"
    assert clean("if (a) { b }").page_reason == "curly_bracket"
    assert clean("if (a) { b }", curly_bracket=False).page_reason is None
    assert clean("some { lines here\nhere lorem ipsum follows").page_reason == "curly_bracket", "the first one counts"
    assert clean("here lorem ipsum follows\nsome { lines here").page_reason == "lorem_ipsum"
    assert clean("nothing of the kind").page_reason is None


def test_lines_that_are_out_condemn_no_page() -> None:
    assert clean("lorem ipsum\n{ }\nThis javascript is { code }.\nA line that stays.").page_reason is None


def test_only_blank_lines_go_without_rules() -> None:
    text = "  one [1]\n\n{\n\tlorem ipsum  \n"
    assert c4.clean(words.split(text), c4.NO_RULES).text == "one [1]\n{\nlorem ipsum"


def sentences(text: str) -> int:
    return c4.clean(words.split(text), c4.LineRules(min_words_per_line=0)).sentences


def test_sentences() -> None:
    assert sentences("One. Two! Three? Four") == 4
    assert sentences('He said "Go." Then he went.') == 2
    assert sentences("Mr. Smith paid 3.50 to J. Doe... and left") == 1
    assert sentences("a line\nanother line") == 2, "a line begins a sentence"
    assert sentences("Really?! Yes.") == 2
    assert sentences('It ended (so to say.)"') == 1, "what closes a sentence begins none"
    assert sentences('It ended.  "') == 2, "but more than a space is a token of its own, as spaCy has it"
    assert sentences("It ended.  [1]") == 2
    assert sentences("It ended. [1]") == 1
    assert sentences("") == 0
