"""The simulated model: pure, plainly marked, and wrong and mended at the rates it states."""

from __future__ import annotations

import asyncio
import math
import re
import subprocess
import sys
from fractions import Fraction

import jsonschema
import orjson
import pytest

from dataset_platform.kernels.self_correction.arithmetic import Problem, generate
from dataset_platform.llm.backends.simulated import SimulatedModel, respond
from dataset_platform.llm.backends.simulated_answers import PREFIX, answer, cue, final_of
from dataset_platform.llm.errors import FatalError
from dataset_platform.llm.request import Message, Request

PROBLEMS = list(generate(7, 0, 2_000))
SUM = re.compile(r"(\d[\d.]*(?: [-+*/] \d[\d.]*)+) = (\d[\d.]*)")


def first(problem: Problem, **options) -> Request:
    text = f"Question:\n{problem.question}\n\nThe final answer is a number without unit."
    return Request((Message("system", "Answer."), Message("user", text)), **options)


def again(request: Request, text: str, prompt: str) -> Request:
    return Request((*request.messages, Message("assistant", text), Message("user", prompt)))


FIRST = [respond(first(p)).text for p in PROBLEMS]
RIGHT = [final_of(text) == str(p.answer) for p, text in zip(PROBLEMS, FIRST, strict=True)]


def within(hits: int, count: int, rate: float) -> bool:
    """Four standard errors: a false alarm in 16,000 runs, and these draws never change."""
    return abs(hits / count - rate) <= 4 * math.sqrt(rate * (1 - rate) / count)


def test_every_answer_says_that_it_is_simulated():
    assert all(text.startswith(PREFIX) and re.search(r"\n#### \S+$", text) for text in FIRST)
    assert SimulatedModel().simulated and respond(first(PROBLEMS[0])).model == "simulated"


def test_the_answer_is_a_function_of_the_request():
    code = (
        "from dataset_platform_tests.llm.backends.test_simulated import *\n"
        "import hashlib; print(hashlib.md5(''.join(FIRST).encode()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] != ""

    async def twice():
        model = SimulatedModel(latency_s=0.001)
        return await asyncio.gather(*[model.complete(first(p)) for p in PROBLEMS[:50] for _ in range(2)])

    done = asyncio.run(twice())
    assert done[::2] == done[1::2] and [d.text for d in done[::2]] == FIRST[:50]


@pytest.mark.parametrize(("steps", "rate"), [(2, 0.85), (3, 0.75), (4, 0.65), (5, 0.55), (6, 0.45)])
def test_right_as_often_as_it_says(steps: int, rate: float):
    right = [r for r, p in zip(RIGHT, PROBLEMS, strict=True) if len(p.steps) == steps]
    assert within(sum(right), len(right), rate)


def test_samples_of_a_question_agree_more_than_chance():
    two = [
        [final_of(respond(first(p, temperature=0.7, sample=s)).text) == str(p.answer) for s in (1, 2)] for p in PROBLEMS
    ]
    share = sum(map(sum, two)) / (2 * len(two))
    both = sum(a and b for a, b in two) / len(two)
    assert share**2 + 0.05 < both < share - 0.03


def test_seed_and_sample_count_above_temperature_0_only():
    texts = {
        temperature: {respond(first(PROBLEMS[3], temperature=temperature, seed=s, sample=n)).text for s in (1, 2, 3) for n in (0, 1, 2)}
        for temperature in (0.0, 1.0)
    }  # fmt: skip
    assert len(texts[0.0]) == 1 < len(texts[1.0])


def shown_sums_hold(text: str) -> bool:
    def value(expression: str) -> float:
        parts = expression.split()
        result = Fraction(parts[0])
        for operator, operand in zip(parts[1::2], map(Fraction, parts[2::2]), strict=True):
            result = {"+": result + operand, "-": result - operand, "*": result * operand}.get(
                operator, result / (operand or 1)
            )
        return float(max(result, 0))

    return all(abs(value(left) - float(right)) < 0.006 for left, right in SUM.findall(text))


def test_worked_steps_can_be_recomputed():
    for text, right, problem in zip(FIRST, RIGHT, PROBLEMS, strict=True):
        if right:
            assert shown_sums_hold(text)
            assert [b for _, b in SUM.findall(text)] == [str(v) for _, v in problem.steps]
    wrong = [text for text, right in zip(FIRST, RIGHT, strict=True) if not right]
    caught = sum(not shown_sums_hold(text) for text in wrong) / len(wrong)
    assert 0.35 < caught < 0.55  # the slips in a shown sum; the others cannot be seen by recomputing


@pytest.mark.parametrize(
    ("prompt", "mends", "breaks"),
    [
        ("Please recompute every number.", 0.40, 0.03),
        ("Check each step of your work.", 0.40, 0.03),
        ("Solve it step by step.", 0.30, 0.05),
        ("Are you sure?", 0.15, 0.12),
        ("Be brief.", 0.05, 0.05),
        ("Please answer once more.", 0.10, 0.06),
    ],
)
def test_reaction_to_prompts(prompt: str, mends: float, breaks: float):
    assert cue(prompt) == (mends, breaks)
    mended = broken = 0
    for p, text, right in zip(PROBLEMS, FIRST, RIGHT, strict=True):
        now = final_of(respond(again(first(p), text, prompt)).text) == str(p.answer)
        mended, broken = mended + (now and not right), broken + (right and not now)
    assert within(mended, RIGHT.count(False), mends)
    assert within(broken, RIGHT.count(True), breaks)


def test_otherwise_the_answer_is_repeated_or_reworded():
    kept = reworded = wavered = 0
    for p, text, right in zip(PROBLEMS, FIRST, RIGHT, strict=True):
        now = respond(again(first(p), text, "Be brief.")).text
        kept += now == text
        reworded += now != text and final_of(now) == final_of(text)
        wavered += not right and final_of(now) not in (final_of(text), str(p.answer))
    assert kept > 500 and reworded > 300
    assert 0.03 < wavered / RIGHT.count(False) < 0.13


def test_hedging_is_more_frequent_when_wrong():
    def hedged(wanted: bool) -> float:
        texts = [t for t, r in zip(FIRST, RIGHT, strict=True) if r == wanted]
        return sum(bool(re.search("I think|Perhaps|not entirely", t)) for t in texts) / len(texts)

    assert hedged(True) + 0.05 < hedged(False) < 0.5


def test_the_problem_is_found_among_other_text():
    other, last = PROBLEMS[0], PROBLEMS[1]
    for text in (
        f"Here is one: {other.question} And now yours: {last.question} Think well.",
        f"Q: {other.question}\nA: 3\n\nQ: {last.question}",
    ):
        values = [b for _, b in SUM.findall(answer([Message("user", text)]))]
        assert len(values) == len(last.steps)
    alone = answer([Message("user", last.question)])
    assert len(SUM.findall(alone)) == len(last.steps)


def test_other_questions_get_a_made_up_answer():
    yes_no = answer([Message("user", "Question:\nis the sky blue?\n\nThe final answer is yes or no.")])
    assert "made up" in yes_no and final_of(yes_no) in ("yes", "no")
    assert final_of(answer([Message("user", "Does water boil?")])) in ("yes", "no")
    assert re.fullmatch(r"\d+", final_of(answer([Message("user", "How many stars are there?")])) or "")
    assert answer([Message("user", "")]).startswith(PREFIX)
    made = {final_of(answer([Message("user", f"How tall is tower {i}?")])) for i in range(50)}
    assert len(made) > 30
    conversation = [Message("user", "Does water boil?"), Message("assistant", yes_no), Message("user", "Sure?")]
    assert final_of(answer(conversation)) in ("yes", "no")


SCHEMAS = [
    {"type": "integer", "minimum": 3},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "integer", "multipleOf": 7, "minimum": 8},
    {"type": "number", "maximum": -2},
    {"type": "string", "minLength": 20, "maxLength": 25},
    {"enum": ["a", "b"]},
    {"type": ["null", "string"]},
    {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {}}, "required": ["a", "b"]},
    {"type": "array", "items": {"$ref": "#/$defs/x"}, "minItems": 2, "$defs": {"x": {"const": 5}}},
    {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
    {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"required": ["c"]}]},
    {
        "$defs": {"node": {"properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "type": "object"}},
        "$ref": "#/$defs/node",
    },
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_schemas_are_satisfied(schema: dict):
    done = respond(Request((Message("user", "?"),), schema=schema))
    jsonschema.validate(orjson.loads(done.text), schema)


def test_a_schema_that_is_not_solved_is_an_error():
    for schema in ({"type": "string", "pattern": "^[0-9]{7}$"}, {"type": "integer", "minimum": 3, "maximum": 2}):
        with pytest.raises(FatalError, match="schema"):
            respond(Request((Message("user", "?"),), schema=schema))


def test_usage_length_and_stop():
    done = respond(first(PROBLEMS[0]))
    assert done.usage.completion_tokens == math.ceil(1.3 * len(done.text.split()))
    assert done.usage.prompt_tokens >= 1.3 * len(PROBLEMS[0].question.split())
    for most in (1, 5, 12):
        cut = respond(first(PROBLEMS[0], max_tokens=most))
        assert cut.finish_reason == "length" and cut.usage.completion_tokens <= most
        assert done.text.startswith(cut.text)
    stopped = respond(first(PROBLEMS[0], stop=("\n",)))
    assert stopped.finish_reason == "stop" and stopped.text == done.text.split("\n")[0]
