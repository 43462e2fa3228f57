"""One labelled turn, and how it is made from a JSON object: a labelled turn of anybody's, or a turn of a trace record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

import xxhash

from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES
from dataset_platform.kernels.self_correction.labels import FIRST_TURN_MODES, RIGHT_MODES, label_turn

REASONS = ("no_gold", "no_label", "no_answer", "contradiction", "not_binary", "wrong_type")
_NO_NAME = "imported"


@dataclass(frozen=True, slots=True)
class LabelledTurn:
    """One turn with a known failure mode.

    Attributes:
        turn_id: id of the turn.
        question_id: id of its question; a question's turns stay in one split.
        dataset_name: data set the question is from.
        first_answer: the answer of turn 0.
        answer: the answer of this turn.
        prompt_text: the message that asked for it; None on turn 0, or where it is not known.
        turn: index of the turn, from 0.
        error_mode: one of ``FAILURE_MODES``.
        correct: whether this turn's answer is right.
        source: ``imported``, ``simulated`` or ``run``.
        file, offset: where the row is from; offsets count decompressed bytes.
    """

    turn_id: str
    question_id: str
    dataset_name: str
    first_answer: str
    answer: str
    prompt_text: str | None
    turn: int
    error_mode: str
    correct: bool
    source: str
    file: str
    offset: int

    @property
    def asked(self) -> str | None:
        """The prompt as the classifier takes it: None on turn 0, "" on a later turn whose prompt is not known."""
        return None if self.turn == 0 else self.prompt_text or ""


COLUMNS = tuple(f.name for f in fields(LabelledTurn))


class Rejected(Exception):
    """A row that cannot be used; ``args`` are the reason and what was found."""


def turn_of_trace(trace: Mapping[str, Any], index: int, file: str, offset: int) -> LabelledTurn:
    """Turn ``index`` of a trace record; its mode follows from what was right, not from what was predicted.

    Raises:
        Rejected: the trace has no gold, or lacks what a turn needs.
    """
    turns = trace["turns"]
    if not all(isinstance(turn, dict) for turn in turns):
        raise Rejected("wrong_type", "a turn is not a JSON object")
    final = trace.get("final_accuracy")
    deltas = [turn.get("delta_accuracy") for turn in turns]
    if final is None or any(delta is None for delta in deltas):
        raise Rejected("no_gold", "the trace has no accuracy: its question had no reference answer")
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in (final, *deltas)):
        raise Rejected("wrong_type", "final_accuracy or delta_accuracy is not a number")
    # final = initial + the sum of all changes, that of turn 0 being 0
    correct = [_right(final - sum(deltas[at + 1 :])) for at in (0, index)]
    first, answer = _text(turns[0], "answer"), _text(turns[index], "answer")
    prompt = _text(turns[index], "prompt_text", needed=False) if index else None
    question_id = _text(trace, "question_id", needed=False) or _digest(_text(trace, "trace_id") or "")
    return LabelledTurn(
        turn_id=_text(turns[index], "turn_id", needed=False) or f"{_text(trace, 'trace_id')}:{index}",
        question_id=question_id,
        dataset_name=_text(trace, "dataset_name", needed=False) or _NO_NAME,
        first_answer=cast(str, first),
        answer=cast(str, answer),
        prompt_text=prompt,
        turn=index,
        error_mode=label_turn(cast(str, first), cast(str, answer), correct[0], correct[1], index),
        correct=correct[1],
        source="run",
        file=file,
        offset=offset,
    )


def labelled_turn(record: Mapping[str, Any], file: str, offset: int) -> LabelledTurn:
    """A labelled turn as somebody wrote it down; the module `labelled_turns` says which fields it may have.

    Raises:
        Rejected: it has no answer or no label, or contradicts itself.
    """
    answer = _text(record, "answer" if "answer" in record else "current_answer")
    first = _text(record, "first_answer", needed=False)
    prompt = _text(record, "prompt_text" if "prompt_text" in record else "prompt", needed=False)
    sequence = record.get("correct")
    turn = _turn_number(record, first, answer, prompt, sequence)
    if first is None and turn:
        raise Rejected("no_answer", "first_answer is missing on a turn after the first")
    first = cast(str, answer if turn == 0 else first)
    error_mode, correct = _label(record, first, cast(str, answer), turn)
    question = _text(record, "question", needed=False)
    question_id = _text(record, "question_id", needed=False) or _digest(first if question is None else question)
    identity = "\0".join((question_id, str(turn), first, cast(str, answer), prompt or ""))
    return LabelledTurn(
        turn_id=_text(record, "turn_id", needed=False) or _digest(identity),
        question_id=question_id,
        dataset_name=_text(record, "dataset_name", needed=False) or _NO_NAME,
        first_answer=first,
        answer=cast(str, answer),
        prompt_text=prompt if turn else None,
        turn=turn,
        error_mode=error_mode,
        correct=correct,
        source="simulated" if record.get("source") == "simulated" else "imported",
        file=file,
        offset=offset,
    )


def _turn_number(
    record: Mapping[str, Any], first: str | None, answer: str | None, prompt: str | None, sequence: Any
) -> int:
    """The turn as given, else by the length of the correctness sequence, else 0 where nothing was asked or changed."""
    turn = record.get("turn")
    if turn is None:
        if isinstance(sequence, list) and sequence:
            return len(sequence) - 1
        mode = record.get("error_mode")
        if prompt is None and (first is None or first == answer) and (mode is None or mode in FIRST_TURN_MODES):
            return 0
        return 1
    if not isinstance(turn, int) or isinstance(turn, bool) or not 0 <= turn < 2**31:
        raise Rejected("wrong_type", f"turn is {turn!r}, not a whole number from 0")
    return turn


def _label(record: Mapping[str, Any], first: str, answer: str, turn: int) -> tuple[str, bool]:
    """Failure mode and correctness of a row, from whichever of the two it gives."""
    mode, given = record.get("error_mode"), record.get("correct")
    sequence = given if isinstance(given, list) else [record.get("first_correct"), given]
    if any(not isinstance(c, bool | None) for c in sequence):
        raise Rejected("wrong_type", "correct and first_correct are true or false, or correct is a list of them")
    correct = sequence[-1] if sequence else None
    before = correct if turn == 0 else sequence[0] if sequence else None
    if mode is None:
        if correct is None or before is None:
            raise Rejected("no_label", "neither error_mode nor what was right at first and now")
        return label_turn(first, answer, before, correct, turn), correct
    if mode not in FAILURE_MODES:
        raise Rejected("no_label", f"error_mode is {str(mode)[:80]!r}, none of {', '.join(FAILURE_MODES)}")
    if turn == 0 and mode not in FIRST_TURN_MODES:
        raise Rejected("contradiction", f"a first answer cannot be {mode}")
    if correct is not None and correct != (mode in RIGHT_MODES):
        raise Rejected("contradiction", f"the answer is {'right' if correct else 'wrong'}, but {mode}")
    if turn and before is not None and before != (mode in ("overcorrected", "unchanged_correct", "perfectionism")):
        raise Rejected("contradiction", f"the first answer is {'right' if before else 'wrong'}, but {mode}")
    return mode, mode in RIGHT_MODES


def _right(accuracy: float) -> bool:
    if abs(accuracy) > 1e-6 and abs(accuracy - 1) > 1e-6:
        raise Rejected("not_binary", f"an accuracy of {accuracy:.4g} is neither right nor wrong")
    return accuracy > 0.5


def _text(record: Mapping[str, Any], name: str, needed: bool = True) -> str | None:
    value = record.get(name)
    if value is None and not needed:
        return None
    if value is None:
        raise Rejected("no_answer", f"{name} is missing")
    if not isinstance(value, str):
        if name in ("question_id", "turn_id", "trace_id") and isinstance(value, int):
            return str(value)
        raise Rejected("wrong_type", f"{name} is not text")
    return value


def _digest(text: str) -> str:
    """128-bit hash, 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))
