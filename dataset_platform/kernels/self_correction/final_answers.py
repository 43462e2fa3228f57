"""A model's final answer, read without a reference and without knowing the data set; and sums shown on the way to it.

Light on purpose: this feeds the error classifier, which must cost microseconds. Grading is the checkers' business.
"""

from __future__ import annotations

import re

_DIGITS = r"\d++(?:,\d{3}(?!\d))*+(?:\.\d++)?+"
NUMBER = re.compile(_DIGITS)
_MARKERS = ("####", "\\boxed{", "\nA:", "\nA :")
_ANSWER_IS = re.compile(r"nswer(?:\*\*)?(?: is| would be| should be|:| =)(?:\*\*)?:?")
_TO_END = re.compile(r"[ \t*$:]*([^\n}]*)")
_YES_NO = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_ARTICLES = frozenset({"a", "an", "the"})
_LONGEST_PHRASE = 12  # words; what is longer after a marker is a sentence, not an answer

ANNOTATION = re.compile(r"<<([^<>=\n]{1,120})=([^<>\n]{1,40})>>[ $]*(-?(?:\d[\d,]*(?:\.\d+)?|\.\d+))?")
_TERM = rf"\(*+-?\$?+{_DIGITS}%?+\)*+"
_OPERATOR = r"[ ]*+[-+*/x×÷−·][ ]*+"
SUM = re.compile(
    rf"(?<![\w.,])(\(*+{_TERM}(?:{_OPERATOR}{_TERM}){{1,12}}+)[ ]*+=[ ]*+(-?\$?{_DIGITS})(?!%|{_OPERATOR}[\d$(])"
)
RESULT_SHOWN = re.compile(r"=[ ]*-?\$?\d")
_TOKEN = re.compile(r"(\d+(?:\.\d+)?|\.\d+)|([-+*/()%])")
_PLAIN_OPERATORS = str.maketrans({"x": "*", "×": "*", "·": "*", "÷": "/", "−": "-", "$": "", ",": ""})
WRONG, ROUNDED, RIGHT = range(3)
_LARGEST = 1e300
_PRIORITY = {"+": 1, "-": 1, "*": 2, "/": 2, "~": 3}


def number(text: str) -> float | None:
    """The value of a number as models write it (``$1,200.50``); ``None`` for what is none or not finite."""
    try:
        value = float(text.replace(",", "").replace("$", "").replace("_", " ").strip())
    except ValueError:
        return None
    return value if abs(value) < _LARGEST else None


def canonical(value: float) -> str:
    """Equal numbers as equal strings: ``3``, ``3.0`` and ``3.00`` are all ``3``."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.10g}"


def final_answer(text: str) -> tuple[str, bool] | None:
    """The final answer, normalised so that equal answers are equal strings, and whether the text marks it as final.

    The last marked answer (``####``, ``\\boxed``, ``A:``, ``the answer is``) counts: its first number (after the last ``=``), else yes or no,
    else its words if they are few. Without a marker the last number of the text counts, else its last yes or no.
    """
    at, end = _last_marker(text)
    if at >= 0 and (tail := _TO_END.match(text, end)) and (found := _normalised(tail[1])) is not None:
        return found, True
    last = None
    for last in NUMBER.finditer(text):  # noqa: B007
        pass
    if last is not None and (value := _signed(text, last)) is not None:
        return canonical(value), False
    said = _YES_NO.findall(text)
    return (_yes_no(said[-1]), False) if said else None


def _last_marker(text: str) -> tuple[int, int]:
    """Where the last marker begins and ends; -1 when there is none."""
    at, end = (0, 2) if text.startswith("A:") else (-1, -1)
    for marker in _MARKERS:
        if (found := text.rfind(marker)) > at:
            at, end = found, found + len(marker)
    found = text.rfind("nswer")
    while found > at:
        if said := _ANSWER_IS.match(text, found):
            return found, said.end()
        found = text.rfind("nswer", 0, found)
    return at, end


def _signed(text: str, found: re.Match[str]) -> float | None:
    """The value of a number found in a text, negative where a minus stands before it that is no hyphen or operator."""
    value = number(found[0])
    start = found.start()
    before = text[max(0, start - 3) : start].replace("$", "")
    stands_after = before[-2:-1]
    is_negative = before.endswith("-") and not (stands_after.isalnum() or stands_after in (")", "%"))
    return -value if is_negative and value is not None else value


def _normalised(phrase: str) -> str | None:
    is_sum = "=" in phrase
    phrase = phrase.rpartition("=")[2]
    found = NUMBER.search(phrase)
    words = _WORD.findall(phrase.casefold())
    if found is not None and (value := _signed(phrase, found)) is not None and (is_sum or not _is_a_name(words)):
        return canonical(value)
    if words and words[0] in ("yes", "no", "true", "false"):
        return _yes_no(words[0])
    words = [w for w in words if w not in _ARTICLES]
    return " ".join(words) if 0 < len(words) <= _LONGEST_PHRASE else None


def _is_a_name(words: list[str]) -> bool:
    """A phrase that begins with a word and holds a number later is a name or a date, not a quantity."""
    return 1 < len(words) <= 4 and words[0].isalpha() and words[0] not in _LEADING


# words that stand before a quantity
_LEADING = frozenset(
    _WORD.findall("about approximately around only exactly is equals usd eur rs a an the she he they it x y n")
)


def _yes_no(word: str) -> str:
    return "yes" if word.casefold() in ("yes", "true") else "no"


def evaluate(expression: str) -> float | None:
    """The value of a sum of numbers with ``+ - * / ( ) %``; ``None`` for what is none, or divides by zero.

    >>> evaluate("(80,000+50,000) x 150%")
    195000.0
    """
    plain = expression.translate(_PLAIN_OPERATORS)
    values: list[float] = []
    waiting: list[str] = []
    expect_value = True
    read = 0
    try:
        for token in _TOKEN.finditer(plain):
            if plain[read : token.start()].strip():
                return None
            read = token.end()
            digits, sign = token.groups()
            if digits is not None:
                if not expect_value:
                    return None
                values.append(float(digits))
                expect_value = False
            elif sign == "(":
                if not expect_value:
                    _apply_down_to(2, values, waiting)
                    waiting.append("*")
                waiting.append("(")
                expect_value = True
            elif sign == ")":
                _apply_down_to(1, values, waiting)
                waiting.pop()
                expect_value = False
            elif sign == "%":
                values[-1] /= 100
            elif expect_value:
                if sign != "-":
                    return None
                waiting.append("~")
            else:
                _apply_down_to(_PRIORITY[sign], values, waiting)
                waiting.append(sign)
                expect_value = True
        if plain[read:].strip() or expect_value:
            return None
        _apply_down_to(1, values, waiting)
    except (IndexError, ZeroDivisionError, OverflowError):
        return None
    return values[0] if len(values) == 1 and not waiting and abs(values[0]) < _LARGEST else None


def _apply_down_to(priority: int, values: list[float], waiting: list[str]) -> None:
    """Work off the operators that bind at least as tightly as ``priority``, back to an open bracket."""
    while waiting and waiting[-1] != "(" and _PRIORITY[waiting[-1]] >= priority:
        sign = waiting.pop()
        right = values.pop()
        if sign == "~":
            values.append(-right)
            continue
        left = values.pop()
        match sign:
            case "+":
                values.append(left + right)
            case "-":
                values.append(left - right)
            case "*":
                values.append(left * right)
            case _:
                values.append(left / right)


def holds(computed: float, shown: float) -> int:
    """Whether a shown result may stand for the computed one: ``RIGHT``, ``ROUNDED`` to a whole number, or ``WRONG``.

    Cents and four digits are precise enough to be right.
    """
    off = abs(computed - shown)
    if off <= max(0.0051, 5.1e-4 * abs(computed)):
        return RIGHT
    return ROUNDED if off < 1 and shown == int(shown) and computed != int(computed) else WRONG
