"""One question's conversation: which call comes next, what was made of each answer, when it ends.

Pure: no model is called here and no clock is read. Whoever drives an episode asks for ``messages``, gets an answer somewhere
and hands it to ``receive`` until the episode is ``finished``. What happens depends on the answers and on the seed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import xxhash

from dataset_platform.kernels.self_correction.contexts import Context
from dataset_platform.kernels.self_correction.policy import Decision, Policy
from dataset_platform.kernels.self_correction.prompts import SYSTEM, first_prompt
from dataset_platform.kernels.self_correction.templates import NONE, Template

if TYPE_CHECKING:
    from dataset_platform.kernels.self_correction.classifier import ErrorClassifier, Judgement


@dataclass(frozen=True, slots=True)
class Question:
    """A row of ``self_correction/questions``."""

    question_id: str
    dataset_name: str
    question: str
    context: str | None
    reference_answer: str | None
    checker: str
    file: str
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one call. Tokens are those of the vendor's count; ``cost_usd`` is None where no price is known."""

    text: str
    completion_tokens: int
    prompt_tokens: int
    cost_usd: float | None
    received_at: datetime
    model: str


@dataclass(frozen=True, slots=True)
class Turn:
    """An answer, what the classifier said of it, and the decision taken after it."""

    prompt: Template | None
    answer: Answer
    judgement: Judgement
    context: Context
    decision: Decision


@dataclass(slots=True)
class Episode:
    """The conversation about one question.

    Args:
        policy: takes the decisions; it never sees the reference answer.
        max_turns: most answers; after the last one the only action left is to stop.
        seed: seed of the day's decisions.
    """

    trace_id: str
    question: Question
    policy: Policy
    classifier: ErrorClassifier
    templates: Mapping[str, Template]
    max_turns: int
    seed: int
    turns: list[Turn] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether the policy has stopped."""
        return bool(self.turns) and self.turns[-1].decision.chosen == NONE

    def messages(self) -> list[tuple[str, str]]:
        """The next call's conversation as (role, text); earlier messages stay as they are, so prompt caches hold."""
        q = self.question
        said = [("system", SYSTEM), ("user", first_prompt(q.question, q.context, q.checker))]
        for turn in self.turns:
            said.append(("assistant", turn.answer.text))
            said.append(("user", self.templates[turn.decision.chosen].text))
        return said

    def receive(self, answer: Answer) -> None:
        """Take the next answer: judge it, and decide whether to ask again and how."""
        asked = self.templates[self.turns[-1].decision.chosen] if self.turns else None
        first = self.turns[0].answer.text if self.turns else answer.text
        judgement = self.classifier.judge(first, answer.text, asked.text if asked else None)
        index = len(self.turns)
        context = Context(judgement.error_mode, judgement.confidence, index)
        if index + 1 < self.max_turns:
            decision = self.policy.decide(context, decision_seed(self.seed, self.trace_id, index))
        else:
            decision = Decision((NONE,), NONE, 1.0)
        self.turns.append(Turn(asked, answer, judgement, context, decision))


def trace_id(dataset_name: str, question_id: str, day: str) -> str:
    """128-bit hash of the trace's identity, as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest("\x1f".join((dataset_name, question_id, day)).encode())


def decision_seed(seed: int, trace: str, turn: int) -> int:
    """64-bit seed of one decision: the same in any order and any process."""
    return xxhash.xxh3_64_intdigest(f"{seed}:{trace}:{turn}".encode())


def trace_row(
    episode: Episode, grades: Sequence[Any] | None, checker: str, constants: Mapping[str, Any]
) -> dict[str, Any]:
    """A finished episode as a row of ``self_correction/traces``.

    Args:
        grades: one ``Grade`` per turn; None where there is no reference answer.
        constants: columns that all rows of a run share.
    """
    q, turns = episode.question, episode.turns
    accuracy = [1.0 if g.correct else 0.0 for g in grades] if grades is not None else [None] * len(turns)
    rows = []
    for i, turn in enumerate(turns):
        now, before = accuracy[i], accuracy[max(i - 1, 0)]
        rows.append(
            {
                "turn_id": f"{episode.trace_id}:{i}",
                "question": q.question,
                "answer": turn.answer.text,
                "prompt_id": turn.prompt.prompt_id if turn.prompt else None,
                "prompt_text": turn.prompt.text if turn.prompt else None,
                "error_mode": turn.judgement.error_mode,
                "confidence_score": turn.judgement.confidence,
                "delta_accuracy": None if now is None or before is None else now - before,
                "token_count": turn.answer.completion_tokens,
                "timestamp": turn.answer.received_at,
                "accuracy": now,
                "score": grades[i].score if grades is not None else None,
                "extracted": grades[i].extracted if grades is not None else None,
                "context": turn.context.key,
                "arms_offered": list(turn.decision.arms),
                "chosen": turn.decision.chosen,
                "propensity": turn.decision.propensity,
                "prompt_tokens": turn.answer.prompt_tokens,
                "cost_usd": turn.answer.cost_usd,
            }
        )
    costs = [t.answer.cost_usd for t in turns]
    return {
        **constants,
        "trace_id": episode.trace_id,
        "dataset_name": q.dataset_name,
        "question_id": q.question_id,
        "reference_answer": q.reference_answer,
        "turns": rows,
        "initial_accuracy": accuracy[0],
        "final_accuracy": accuracy[-1],
        "total_tokens": sum(t.answer.completion_tokens for t in turns),
        "total_turns": len(turns),
        "created_at": turns[-1].answer.received_at,
        "checker": checker,
        "reward_source": "estimated" if grades is None else "gold",
        "model": turns[-1].answer.model,
        "prompt_tokens": sum(t.answer.prompt_tokens for t in turns),
        "cost_usd": None if any(c is None for c in costs) else sum(c for c in costs if c is not None),
        "file": q.file,
        "offset": q.offset,
        "length": q.length,
    }
