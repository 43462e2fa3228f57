"""Your own questions and your own checker, for code: the model writes a Python function, the reference is its tests.

The last fenced block of an answer (or all of it) is run in a process of its own, each line of the reference as one
``assert`` after it; the score is the share that holds, and the answer is right when all do. In the config:

    self_correction:
      sources:
        - {dataset: katas, source: "own_checker_code:Katas", start: 2026-01-01, per_day: 2,
           checker: "own_checker_code:PassesTests"}

    export PYTHONPATH=examples
    python examples/own_checker_code.py

Time, memory and the working folder of what is run are limited, which stops accidents; it is no defence against code
that means harm. Run the stage where that cannot matter: a container without network and without credentials.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable

from dataset_platform.errors import InputError, PlatformError
from dataset_platform.kernels.self_correction.checkers import Checker, Grade

TIME_LIMIT_S = 10
MEMORY_LIMIT_BYTES = 512 << 20
FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)

# runs in the other process: reads code and tests, says which tests hold. What the code prints goes elsewhere.
RUNNER = f"""
import contextlib, io, json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_LIMIT_BYTES}, {MEMORY_LIMIT_BYTES}))
resource.setrlimit(resource.RLIMIT_CPU, ({TIME_LIMIT_S}, {TIME_LIMIT_S}))
task = json.load(sys.stdin)
report, sys.stdin = sys.stdout, io.StringIO()
held, names = [], {{"__name__": "answer"}}
with contextlib.redirect_stdout(io.StringIO()):
    try:
        exec(task["code"], names)
    except BaseException:
        names = None
    for test in task["tests"]:
        try:
            held.append(names is not None and bool(eval(test, dict(names))))
        except BaseException:
            held.append(False)
json.dump(held, report)
"""

KATAS = (
    (
        "is_leap_year",
        "Write a Python function is_leap_year(year) that tells whether a year of the Gregorian calendar is a leap year.",
        ("is_leap_year(2024)", "not is_leap_year(2023)", "not is_leap_year(1900)", "is_leap_year(2000)"),
    ),
    (
        "run_lengths",
        "Write a Python function run_lengths(text) that returns a list of (character, length) pairs, one for each run "
        "of equal characters.",
        ("run_lengths('aab') == [('a', 2), ('b', 1)]", "run_lengths('') == []", "len(run_lengths('abab')) == 4"),
    ),
    (
        "median",
        "Write a Python function median(values) that returns the median of a non-empty list of numbers and leaves the "
        "list as it is.",
        ("median([3]) == 3", "median([3, 1, 2]) == 2", "median([4, 1, 3, 2]) == 2.5"),
    ),
)


class Katas:
    """The questions above; three days' worth at one a day."""

    def rows(self, start: int, count: int) -> Iterable[dict[str, str]]:
        """Rows ``start`` to ``start + count - 1``; none past the end."""
        for name, question, tests in KATAS[start : start + count]:
            yield {"id": name, "question": question, "reference_answer": "\n".join(tests)}


class PassesTests(Checker):
    """The code in the answer makes every line of the reference true."""

    name = "passes_tests"

    def final_answer(self, answer: str) -> str | None:
        """The code in one layout and without comments, so that equal code is equal text. ``None``: no Python code."""
        code = self._code(answer)
        try:
            return ast.unparse(ast.parse(code)) or None
        except (SyntaxError, ValueError, RecursionError):
            return None

    def grade(self, answer: str, reference: str) -> Grade:
        """Score: share of tests that hold.

        Raises:
            InputError: the reference holds no tests, or lines that are no Python expressions.
        """
        tests = [line.strip() for line in reference.splitlines() if line.strip()]
        try:
            for test in tests:
                ast.parse(test, mode="eval")
        except SyntaxError as error:
            raise InputError(f"A test is no Python expression: {error.text}", "Write one expression a line.") from error
        if not tests:
            raise InputError("The reference holds no tests.", "Write one Python expression a line.")
        code = self.final_answer(answer)
        if code is None:
            return Grade(False, 0.0, None)
        held = self._run(code, tests)
        if held is None:
            return Grade(False, 0.0, code, "timeout")
        return Grade(len(held) == len(tests) and all(held), sum(held) / len(tests), code)

    def _code(self, answer: str) -> str:
        blocks = FENCE.findall(answer)
        return str(blocks[-1]) if blocks else answer

    def _run(self, code: str, tests: list[str]) -> list[bool] | None:
        """Which tests hold; none of them when the process dies, ``None`` when it overruns."""
        task = json.dumps({"code": code, "tests": tests})
        with tempfile.TemporaryDirectory() as folder:
            try:
                done = subprocess.run(
                    [sys.executable, "-I", "-c", RUNNER],
                    input=task,
                    capture_output=True,
                    text=True,
                    cwd=folder,
                    env={},
                    timeout=TIME_LIMIT_S,
                )
            except subprocess.TimeoutExpired:
                return None
        try:
            return [bool(one) for one in json.loads(done.stdout)]
        except (ValueError, TypeError):
            return []


ANSWERS = (
    "```python\ndef is_leap_year(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)\n```",
    "```python\ndef is_leap_year(year):\n    return year % 4 == 0\n```\nEvery fourth year is a leap year.",
    "I would rather not write code.",
)


def main() -> None:
    row = next(iter(Katas().rows(0, 1)))
    print(row["question"])
    try:
        for answer in ANSWERS:
            grade = PassesTests().grade(answer, row["reference_answer"])
            print(f"{'right' if grade.correct else 'wrong'}, {grade.score:.0%} of the tests hold: {answer[:60]!r}")
    except PlatformError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
