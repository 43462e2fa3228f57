"""Episodes for tests: questions that the simulated model answers, under any policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dataset_platform.kernels.self_correction.arithmetic import generate
from dataset_platform.kernels.self_correction.classifier import default_classifier
from dataset_platform.kernels.self_correction.episodes import Answer, Episode, Question, trace_id
from dataset_platform.kernels.self_correction.policy import Policy, PolicyConfig, new_policy
from dataset_platform.kernels.self_correction.templates import load_templates
from dataset_platform.llm.backends.simulated import respond
from dataset_platform.llm.request import Message, Request

DAY = "2026-01-05"
CONSTANTS = {
    "pipeline_version": "test",
    "policy_version": "prior",
    "classifier": "test",
    "seed": 0,
    "simulated": True,
}


def question(number: int, reference: bool = True, checker: str = "gsm8k") -> Question:
    problem = next(iter(generate(5, number, 1)))
    gold = problem.reference_answer if reference else None
    return Question(problem.question_id, "arithmetic", problem.question, None, gold, checker, "q.jsonl", number, 10)


def episode(asked: Question, policy: Policy | None = None, max_turns: int = 5, seed: int = 0) -> Episode:
    """A finished episode; answer ``i`` came ``i`` seconds after the first."""
    policy = policy or new_policy(PolicyConfig(exploration=0.5))
    identity = trace_id(asked.dataset_name, asked.question_id, DAY)
    running = Episode(identity, asked, policy, default_classifier(), load_templates(), max_turns, seed)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    while not running.finished:
        messages = tuple(Message(role, text) for role, text in running.messages())  # type: ignore[arg-type]
        got = respond(Request(messages))
        assert got.usage is not None
        at = start + timedelta(seconds=len(running.turns))
        running.receive(Answer(got.text, got.usage.completion_tokens, got.usage.prompt_tokens, 0.0, at, "simulated"))
    return running
