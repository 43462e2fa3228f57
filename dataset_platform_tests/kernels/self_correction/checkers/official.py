"""The published rules of the fields' scripts, stated a second time: by scanning characters, without their patterns.

GSM8K: openai/grade-school-math, grade_school_math/dataset.py; lm-evaluation-harness, task gsm8k version 3.
HotpotQA: hotpotqa/hotpot, hotpot_evaluate_v1.py.
"""

from functools import lru_cache
from itertools import groupby

DIGITS = "0123456789"
INVALID = "[invalid]"


def run_length(text, at, alphabet):
    end = at
    while end < len(text) and text[end] in alphabet:
        end += 1
    return end - at


def hash_number(text):
    """First number after four hashes and a blank, or None."""
    for at in range(len(text)):
        if text.startswith("#### ", at):
            begin = at + 5
            sign = 1 if text.startswith("-", begin) else 0
            if length := run_length(text, begin + sign, DIGITS + ".,"):
                return text[begin : begin + sign + length]
    return None


def gsm8k_official(completion):
    number = hash_number(completion)
    return INVALID if number is None else "".join(c for c in number if c != ",")


def last_number(text):
    """Last match of: optional minus with two or more of ``$ 0-9 . ,``, or optional minus with digits."""
    found, at = None, 0
    while at < len(text):
        sign = 1 if text[at] == "-" else 0
        length = run_length(text, at + sign, DIGITS + "$.,")
        if length < 2:
            length = run_length(text, at + sign, DIGITS)
        if length:
            found = text[at : at + sign + length]
            at += sign + length
        else:
            at += 1
    return found


def harness_text(text):
    """What the harness compares: commas, dollars, all up to the last hashes, and one closing full stop left out."""
    text = text.replace(",", "").replace("$", "")
    text = text.split("#### ")[-1]
    return (text[:-1] if text.endswith(".") else text).lower()


def harness_flexible(completion):
    number = last_number(completion)
    return INVALID if number is None else harness_text(number)


def harness_strict(completion):
    number = hash_number(completion)
    return INVALID if number is None else harness_text(number)


PUNCTUATION = {chr(c) for c in range(33, 127) if not chr(c).isalnum()}


@lru_cache(1024)
def hotpot_normal(text):
    kept = "".join(c for c in text.lower() if c not in PUNCTUATION)
    runs = ["".join(group) for _, group in groupby(kept, key=lambda c: c.isalnum() or c == "_")]
    return " ".join("".join(" " if run in ("a", "an", "the") else run for run in runs).split())


def hotpot_scores(prediction, gold):
    """(exact match, F1)."""
    said, expected = hotpot_normal(prediction), hotpot_normal(gold)
    if said != expected and {said, expected} & {"yes", "no", "noanswer"}:
        return False, 0.0
    left = expected.split()
    shared = 0
    for word in said.split():
        if word in left:
            left.remove(word)
            shared += 1
    total = len(said.split()) + len(expected.split())
    return said == expected, 2 * shared / total if shared else 0.0
