"""The judge: four differently put questions, a verdict with its spread, and never a figure that nobody gave."""

from __future__ import annotations

import json

import jsonschema
import pytest

from dataset_platform.kernels.reasoning.judge import (
    CRITERIA,
    WORDINGS,
    Judgement,
    judge_prompts,
    judge_version,
    judgement_schema,
    not_run,
    verdict,
)
from dataset_platform.llm.backends.openai_wire import is_strict
from dataset_platform_tests.kernels.reasoning.llm_scene import hand_trace, keyframe

TRACE, FACTS = hand_trace(), keyframe(0).facts


def answer(*scores: int, evidence: str = "as fast") -> dict:
    return {n: {"score": s, "evidence": evidence} for n, s in zip(CRITERIA, scores, strict=True)}


def test_two_wordings_in_two_orders():
    asked = judge_prompts(TRACE, FACTS)
    assert len(asked) == len({user + system for system, user in asked}) == 4
    assert {system for system, _ in asked} == set(WORDINGS.values())
    facts_first = [user.index("FACTS") < user.index("EXPLANATION") for _, user in asked]
    assert sorted(facts_first) == [False, False, True, True]
    for _, user in asked:
        assert TRACE.text() in user and all(name in user for name in CRITERIA)
        assert TRACE.trace_id not in user and "rules" not in user, "who wrote it must not be told"


def test_answers_have_a_strict_schema():
    schema = judgement_schema()
    assert is_strict(schema) and set(schema["properties"]) == set(CRITERIA) == set(Judgement.model_fields)
    jsonschema.validate(answer(1, 2, 3, 5), schema)
    for bad in (answer(0, 2, 3, 5), answer(6, 2, 3, 5)):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def test_the_verdict_is_the_mean_with_its_spread():
    told = json.loads(verdict([answer(4, 4, 4, 4), answer(2, 4, 5, 4)], "judge-1", "writer-1"))
    assert told["scores"] == dict(zip(CRITERIA, (3.0, 4.0, 4.5, 4.0), strict=True))
    assert told["score"] == 3.875 and told["self_consistency"] == 0.75 and told["answers"] == 2
    assert told["judge"] == "judge-1" and told["judge_version"] == judge_version()
    assert told["wrote_the_trace_itself"] is False
    assert json.loads(verdict([answer(4, 4, 4, 4)], "m", "m"))["wrote_the_trace_itself"] is True


def test_without_answers_there_is_no_figure():
    assert verdict([], "m", "n") == not_run("no answer")
    assert not_run("why").startswith("not run")
