"""A language model as judge of traces: what the measured metrics cannot see.

Four criteria on a scale of 1 to 5, each score with the words it rests on, asked by two wordings in two orders (facts
before trace and after it), since a judge's score moves with both. What counts is the mean; how far the four answers lie
apart is reported beside it. A judge that did not run gives no figure: the column then says "not run", and why. When judge
and writer are the same model, the verdict says so.

Criteria after what agreed with experts in Alpamayo-R1 (arXiv 2511.00088) and Reason2Drive; the wording is our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import Any

import orjson
import xxhash
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.levels import strict
from dataset_platform.kernels.reasoning.prompts import facts_json
from dataset_platform.kernels.reasoning.trace import CoTTrace

JUDGE_VERSION = "1"
NOT_RUN = "not run"
TITLE = "cot_judgement"
CRITERIA = {
    "causal_plausibility": "whether the causes that are named are what would move a good driver to this plan, and suffice",
    "completeness": "whether everything in the scene that bears on the plan is spoken of",
    "readability": "whether a driver would follow the text at first reading",
    "non_triviality": "whether it says what is particular to this scene rather than what holds of any",
}
ORDERS = ("facts_first", "trace_first")
WORDINGS = {
    "examiner": (
        "You examine explanations of driving decisions. Score each criterion from 1 (wrong or missing) over 3 (acceptable) "
        "to 5 (nothing to add). Quote in 'evidence' the words of the explanation, or name the fact, that the score rests "
        "on. Without evidence the score is at most 3. Length is no merit."
    ),
    "instructor": (
        "You are a driving instructor who hears a learner explain a decision. For each criterion say how good the "
        "explanation is: 1 is unusable, 2 poor, 3 fair, 4 good, 5 could not be better. Beside each number write, as "
        "'evidence', what you heard, word for word, or the fact that was passed over. Do not reward mere length."
    ),
}


class Score(BaseModel):
    """One criterion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: int = Field(ge=1, le=5)
    evidence: str


class Judgement(BaseModel):
    """One answer of the judge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    causal_plausibility: Score
    completeness: Score
    readability: Score
    non_triviality: Score


def judgement_schema() -> dict[str, Any]:
    """JSON schema of an answer, as strict structured outputs take it."""
    raw = Judgement.model_json_schema()
    return {"title": TITLE, **strict(raw, raw.get("$defs", {}))}


def judge_version() -> str:
    """Version and fingerprint of the words that a judge is given."""
    parts = [CRITERIA, WORDINGS, ORDERS, judgement_schema()]
    return f"{JUDGE_VERSION}-{xxhash.xxh3_64_hexdigest(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))[:8]}"


def judge_prompts(trace: CoTTrace, facts: Facts) -> list[tuple[str, str]]:
    """System and user message of each question: every wording in every order. Who wrote the trace is not told."""
    return [(WORDINGS[wording], _question(trace, facts, order)) for wording, order in product(WORDINGS, ORDERS)]


def _question(trace: CoTTrace, facts: Facts, order: str) -> str:
    known = f"FACTS\n{orjson.dumps(facts_json(facts)).decode()}"
    plan = trace.trajectory_plan
    told = f"EXPLANATION\n{trace.text()}\n\nDecision: {plan.longitudinal}, {plan.lateral}."
    # the criteria turn with the order too: the first one asked is not always the same
    asked = list(CRITERIA.items()) if order == "facts_first" else list(reversed(CRITERIA.items()))
    parts = [known, told] if order == "facts_first" else [told, known]
    criteria = "\n".join(f"- {name}: {meaning}" for name, meaning in asked)
    return "\n\n".join([*parts, f"CRITERIA\n{criteria}"])


def verdict(answers: Sequence[Mapping[str, Any]], judge: str, generator: str) -> str:
    """The ``judge`` column of a trace: JSON of means, spread and evidence.

    Args:
        answers: parsed answers, in the order of ``judge_prompts``.
        judge: model that judged, as its server names it.
        generator: model that wrote the trace.
    """
    if not answers:
        return not_run("no answer")
    read = [Judgement.model_validate(a) for a in answers]
    scores = {name: [getattr(j, name).score for j in read] for name in CRITERIA}
    return orjson.dumps(
        {
            "judge": judge,
            "judge_version": judge_version(),
            "wrote_the_trace_itself": judge == generator,
            "answers": len(read),
            "score": round(fmean(fmean(found) for found in scores.values()), 3),
            "scores": {name: round(fmean(found), 3) for name, found in scores.items()},
            # share of criteria on which all answers lie within one point
            "self_consistency": round(fmean(float(max(found) - min(found) <= 1) for found in scores.values()), 3),
            "evidence": {name: getattr(read[0], name).evidence for name in CRITERIA},
        }
    ).decode()


def not_run(why: str) -> str:
    """The ``judge`` column where no judge gave a figure."""
    return f"{NOT_RUN}: {why}"
