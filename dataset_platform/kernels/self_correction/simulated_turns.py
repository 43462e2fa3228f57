"""Labelled turns without a model: generated arithmetic problems, answered and answered again by made-up answerers.

The embedded default classifier is trained on these. What it learns holds for models only as far as they err alike:
sums that do not hold, samples that agree, answers that break off. Its confidences are right for the simulated mix of
easy and hard, not for a model whose accuracy is another; labelled turns of the model in use make a better classifier.
"""

from __future__ import annotations

import numpy as np
import xxhash

from dataset_platform.kernels.self_correction.answer_features import prompt_features
from dataset_platform.kernels.self_correction.arithmetic import Problem, generate
from dataset_platform.kernels.self_correction.final_answers import final_answer
from dataset_platform.kernels.self_correction.labelled_records import LabelledTurn
from dataset_platform.kernels.self_correction.labels import label_conversation
from dataset_platform.kernels.self_correction.simulated_answers import (
    Answerer,
    admit,
    draw_answerer,
    reword,
    write_answer,
)
from dataset_platform.kernels.self_correction.templates import TEMPLATES

_ANSWERERS = 60  # different answerers per seed
_ASKS = (
    *(t.text for t in TEMPLATES),
    "Check each calculation.",
    "Are you really certain about this?",
    "Please be brief: only the final answer.",
    "Solve it again in another way.",
    "Explain each step.",
    "Think again.",
)
_MORE_TURNS = (0.25, 0.45, 0.20, 0.10)  # share of questions by turns after turn 0
_OTHER_ANSWERER = 0.25  # the next answer comes from another answerer
_SHARED_TRAP = 0.35  # a wrong answer falls for the trap of its question, so that wrong answers may agree
# P(mend | wrong), P(break | right) by what the prompt asks for; added to what holds for every prompt
_EVERY = np.array([0.10, 0.05])
_BY_CUE = {
    "asks_recompute": (0.22, 0.00),
    "voices_doubt": (0.05, 0.06),
    "asks_brevity": (-0.03, 0.01),
    "asks_steps": (0.12, 0.00),
    "asks_anew": (0.08, 0.03),
    "asks_reasons": (0.04, 0.00),
}
_CUE_NAMES = tuple(_BY_CUE)


def simulate_turns(seed: int, count: int) -> list[LabelledTurn]:
    """The turns of ``count`` conversations about generated problems, one to four each, in their order.

    Conversation ``i`` of a seed depends on the seed and ``i`` alone.
    """
    answerers = [draw_answerer(_random(seed, f"answerer {i}")) for i in range(_ANSWERERS)]
    return [turn for problem in generate(seed, 0, count) for turn in _conversation(problem, seed, answerers)]


def _conversation(problem: Problem, seed: int, answerers: list[Answerer]) -> list[LabelledTurn]:
    random = _random(seed, problem.question_id)
    ease = float(random.normal(0.0, 1.2)) - 0.45 * (len(problem.steps) - 2)
    answerer = answerers[random.integers(len(answerers))]
    texts, correct, prompts = [], [], [""]
    text, is_right = _attempt(problem, answerer, ease, random)
    texts.append(text)
    correct.append(is_right)
    for _ in range(int(random.choice(len(_MORE_TURNS), p=_MORE_TURNS))):
        prompts.append(_ASKS[random.integers(len(_ASKS))])
        if random.random() < _OTHER_ANSWERER:
            answerer = answerers[random.integers(len(answerers))]
            text, is_right = _attempt(problem, answerer, ease, random)
        else:
            text, is_right = _next(problem, answerer, texts[-1], correct[-1], prompts[-1], random)
        texts.append(text)
        correct.append(is_right)
    modes = label_conversation(texts, correct)
    return [
        LabelledTurn(
            turn_id=f"{problem.question_id}:{turn}",
            question_id=problem.question_id,
            dataset_name="arithmetic",
            first_answer=texts[0],
            answer=texts[turn],
            prompt_text=prompts[turn] if turn else None,
            turn=turn,
            error_mode=modes[turn],
            correct=correct[turn],
            source="simulated",
            file=f"simulated:{seed}",
            offset=0,
        )
        for turn in range(len(texts))
    ]


def _attempt(problem: Problem, answerer: Answerer, ease: float, random: np.random.Generator) -> tuple[str, bool]:
    right = random.random() < 1 / (1 + np.exp(-(answerer.skill + ease)))
    return _write(problem, answerer, bool(right), random)


def _write(problem: Problem, answerer: Answerer, right: bool, random: np.random.Generator) -> tuple[str, bool]:
    trap = _random(0, f"trap {problem.question_id}") if random.random() < _SHARED_TRAP else random
    text = write_answer(answerer, problem.steps, right, random, trap)
    found = final_answer(text)
    return text, found is not None and found[0] == str(problem.answer)


def _next(
    problem: Problem, answerer: Answerer, before: str, was_right: bool, prompt: str, random: np.random.Generator
) -> tuple[str, bool]:
    """What the same answerer says when asked again."""
    asks = np.array(prompt_features(prompt)[2:])
    mends, breaks = np.clip(_EVERY + asks @ np.array([_BY_CUE[name] for name in _CUE_NAMES]), 0.01, 0.6)
    if random.random() < (breaks if was_right else mends):
        text, is_right = _write(problem, answerer, not was_right, random)
        return (admit(text, random) if random.random() < 0.4 else text), is_right
    draw = random.random()
    if not was_right and draw < 0.3:
        text, is_right = _write(problem, answerer, False, random)
        return (admit(text, random) if random.random() < 0.25 else text), is_right
    if draw < 0.6:
        return before, was_right
    if was_right and draw < 0.75:
        return _write(problem, answerer, True, random)
    # a text that broke off has no last line to repeat
    return (reword(before, random), was_right) if _ends(before) else (before, was_right)


def _ends(text: str) -> bool:
    return any(digit.isdigit() for digit in text.rsplit("\n", 1)[-1]) and "=" not in text.rsplit("\n", 1)[-1]


def _random(seed: int, name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(xxhash.xxh3_64_intdigest(f"turns\0{seed}\0{name}".encode())))
