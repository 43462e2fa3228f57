"""Checkers by name and by import path."""

import sys

import pytest

from dataset_platform.errors import ConfigError
from dataset_platform.kernels.self_correction.checkers import CHECKERS, Grade, checker

OWN = """
from dataset_platform.kernels.self_correction.checkers import Checker, Grade

class Length(Checker):
    name = "length"
    def final_answer(self, answer):
        return str(len(answer))
    def grade(self, answer, reference):
        correct = self.final_answer(answer) == reference
        return Grade(correct, float(correct), self.final_answer(answer))

class Bare:
    name = "bare"

class Picky(Length):
    def __init__(self, needed):
        pass

def function():
    pass
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_length_checker.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    checker.cache_clear()
    yield "own_length_checker"
    sys.modules.pop("own_length_checker", None)
    checker.cache_clear()


def test_names():
    assert set(CHECKERS) == {"gsm8k", "gsm8k_strict", "gsm8k_flexible", "hotpotqa", "boolq", "math", "exact"}
    assert all(checker(name).name == name for name in CHECKERS)
    assert checker("gsm8k") is checker("gsm8k")


def test_a_users_own_class(own_module):
    own = checker(f"{own_module}:Length")
    assert own.name == "length"
    assert own.grade_many([("abc", "3"), ("abc", "4")]) == [Grade(True, 1.0, "3"), Grade(False, 0.0, "3")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gsm9k", "Choose from gsm8k"),
        ("no_such_module:Class", "cannot be loaded"),
        ("own_length_checker:Missing", "cannot be loaded"),
        ("own_length_checker:", "cannot be loaded"),
        (":Length", "cannot be loaded"),
        ("own_length_checker:Bare", "lacks grade, final_answer, grade_many"),
        ("own_length_checker:Picky", "Give its arguments defaults"),
        ("own_length_checker:function", "is not a class"),
    ],
)
def test_what_is_wrong_is_said(own_module, name, message):
    with pytest.raises(ConfigError, match=message):
        checker(name)
