"""Answer checkers, by name: each decides as its field's own script does.

A user's own checker is a class that inherits from ``Checker``, named ``package.module:Class`` wherever a checker is
named; see ``examples/own_checker_maths.py`` and ``examples/own_checker_code.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, cast

from dataset_platform.errors import ConfigError
from dataset_platform.kernels.self_correction.checkers.base import Checker, Grade
from dataset_platform.kernels.self_correction.checkers.boolq import BoolQ
from dataset_platform.kernels.self_correction.checkers.exact import Exact
from dataset_platform.kernels.self_correction.checkers.gsm8k import Gsm8k, Gsm8kFlexible, Gsm8kStrict
from dataset_platform.kernels.self_correction.checkers.hotpotqa import HotpotQa
from dataset_platform.kernels.self_correction.checkers.maths import MathChecker

__all__ = ["CHECKERS", "Checker", "Grade", "checker", "import_class"]

CHECKERS: dict[str, Callable[[], Checker]] = {
    kind.name: kind for kind in (Gsm8k, Gsm8kStrict, Gsm8kFlexible, HotpotQa, BoolQ, MathChecker, Exact)
}


@cache
def checker(name: str) -> Checker:
    """The checker of a name or import path; the same object each time, safe to use from several threads.

    Args:
        name: one of ``CHECKERS``, or ``package.module:Class`` of a user's own (made without arguments).

    Raises:
        ConfigError: no such checker, or the class lacks what a checker needs.
    """
    if ":" not in name:
        if name not in CHECKERS:
            raise ConfigError(
                f"There is no checker {name!r}.",
                f"Choose from {', '.join(CHECKERS)}, or name your own as package.module:Class.",
            )
        return CHECKERS[name]()
    kind = import_class(name, "checker")
    missing = [needed for needed in ("name", "grade", "final_answer", "grade_many") if not hasattr(kind, needed)]
    if missing:
        raise ConfigError(
            f"{name} lacks {', '.join(missing)}.",
            "Let the class inherit from dataset_platform.kernels.self_correction.checkers.Checker and define them.",
        )
    try:
        return cast(Checker, kind())
    except TypeError as error:
        raise ConfigError(
            f"{name} cannot be made without arguments: {error}", "Give its arguments defaults."
        ) from error


def import_class(path: str, role: str) -> type[Any]:
    """The class behind ``package.module:Class``.

    Args:
        path: the import path; the module must be importable, for example from the folder the command is run in.
        role: what the class is wanted for, for messages.

    Raises:
        ConfigError: the module cannot be imported or holds no such class.
    """
    module_name, _, class_name = path.partition(":")
    try:
        found = getattr(import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"The {role} {path} cannot be loaded: {error}",
            "Write package.module:Class, and put the module's folder on PYTHONPATH.",
        ) from error
    if not isinstance(found, type):
        raise ConfigError(f"The {role} {path} is not a class.", "Name a class, not a function or an instance.")
    return found
