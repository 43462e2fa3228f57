"""Your own questions and your own checker, for maths: measures with units, right within a tolerance.

A checker is a class that inherits from ``Checker`` and says two things: what a model's final answer is, and whether it
is right. A source is a class with one method, ``rows``. Both are named in the config; nothing is forked:

    self_correction:
      sources:
        - {dataset: measures, source: "own_checker_maths:Conversions", start: 2026-01-01, per_day: 20,
           options: {seed: 7}, checker: "own_checker_maths:Measure"}

    export PYTHONPATH=examples
    python examples/own_checker_maths.py --answer "That makes 2.5 km."  --reference "2500 m"
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterator

import xxhash

from dataset_platform.errors import InputError, PlatformError
from dataset_platform.kernels.self_correction.checkers import Checker, Grade

# unit → (dimension, factor to the first unit of that dimension)
UNITS = {
    "mm": ("length", 0.001),
    "cm": ("length", 0.01),
    "m": ("length", 1.0),
    "km": ("length", 1000.0),
    "g": ("mass", 0.001),
    "kg": ("mass", 1.0),
    "t": ("mass", 1000.0),
    "s": ("time", 1.0),
    "min": ("time", 60.0),
    "h": ("time", 3600.0),
}
MEASURE = re.compile(rf"(-?\d[\d,]*(?:\.\d+)?)\s*({'|'.join(sorted(UNITS, key=len, reverse=True))})\b")
TOLERANCE = 1e-3


class Measure(Checker):
    """The last measure in the answer equals the reference within 0.1 %, whatever unit either is given in."""

    name = "measure"

    def final_answer(self, answer: str) -> str | None:
        """The last measure in base units: ``2.5 km`` and ``2,500 m`` are both ``2500 m``. ``None``: there is none."""
        found = self._read(answer)
        return None if found is None else f"{found[1]:.6g} {found[0]}"

    def grade(self, answer: str, reference: str) -> Grade:
        """Right when dimension and value agree.

        Raises:
            InputError: the reference is no measure.
        """
        expected, found = self._read(reference), self._read(answer)
        if expected is None:
            raise InputError(f"{reference!r} is no measure.", f"Give a number and one of {', '.join(UNITS)}.")
        correct = (
            found is not None and found[0] == expected[0] and math.isclose(found[1], expected[1], rel_tol=TOLERANCE)
        )
        return Grade(correct, float(correct), self.final_answer(answer))

    def _read(self, text: str) -> tuple[str, float] | None:
        """Base unit of the dimension, and the value in it."""
        measures = MEASURE.findall(text)
        if not measures:
            return None
        number, unit = measures[-1]
        dimension, factor = UNITS[unit]
        base = next(name for name, (other, one) in UNITS.items() if other == dimension and one == 1.0)
        return base, float(number.replace(",", "")) * factor


class Conversions:
    """An endless data set of questions like "How many metres are 3.2 km?"; row ``i`` depends on the seed and ``i``."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def rows(self, start: int, count: int) -> Iterator[dict[str, str]]:
        """Rows ``start`` to ``start + count - 1``."""
        names = list(UNITS)
        for index in range(start, start + count):
            draw = xxhash.xxh3_64_intdigest(f"conversions\0{self._seed}\0{index}".encode())
            unit, amount = names[draw % len(names)], 1 + (draw >> 8) % 900
            dimension, factor = UNITS[unit]
            others = [name for name, (other, _) in UNITS.items() if other == dimension and name != unit]
            wanted = others[(draw >> 32) % len(others)]
            value = amount * factor / UNITS[wanted][1]
            question = f"How much is {amount} {unit} in {wanted}? End with the number and the unit."
            yield {"id": f"{index:06d}", "question": question, "reference_answer": f"{value:.12f} {wanted}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answer", default="2,500 m are 2.5 km.", help="what a model said")
    parser.add_argument("--reference", default="2500 m", help="the reference answer")
    args = parser.parse_args()
    for row in Conversions(7).rows(0, 3):
        print(f"question {row['id']}: {row['question']} (reference {row['reference_answer']})")
    try:
        grade = Measure().grade(args.answer, args.reference)
    except PlatformError as error:
        raise SystemExit(str(error)) from error
    print(
        f"{args.answer!r} against {args.reference!r}: {'right' if grade.correct else 'wrong'}, read {grade.extracted}"
    )


if __name__ == "__main__":
    main()
