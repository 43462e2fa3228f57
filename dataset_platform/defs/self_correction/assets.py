"""The self-correction lane: questions → traces ⇄ policy → evaluation, beside labelled turns → error classifier."""

from __future__ import annotations

import dagster as dg

from dataset_platform.contracts import LabelledTurns, Questions, Traces
from dataset_platform.defs.artifacts import artifact_asset
from dataset_platform.defs.metadata import funnel, sample
from dataset_platform.defs.self_correction import classifier, evaluation, policy
from dataset_platform.defs.self_correction.labelled import compute_labelled
from dataset_platform.defs.self_correction.previews import accuracy_by_turn, actions, conversations
from dataset_platform.defs.self_correction.questions import compute_questions, questions_section
from dataset_platform.defs.self_correction.traces import VERSION, compute_traces, section
from dataset_platform.defs.stages import table_asset

QUESTION_COLUMNS = ("question_id", "dataset_name", "question", "reference_answer", "checker", "file", "offset")
LABEL_COLUMNS = ("turn_id", "dataset_name", "first_answer", "answer", "prompt_text", "error_mode", "correct", "source")


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["self_correction", name])


def _yesterday() -> dg.TimeWindowPartitionMapping:
    return dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)


questions = table_asset(
    Questions,
    compute=compute_questions,
    section=questions_section,
    shows=[funnel(), sample(8, QUESTION_COLUMNS)],
    kinds=("python", "delta"),
    in_process=True,
)

labelled_turns = table_asset(
    LabelledTurns,
    compute=compute_labelled,
    shows=[funnel(), sample(8, LABEL_COLUMNS)],
    kinds=("python", "delta"),
    in_process=True,
)

error_classifier = artifact_asset(
    "self_correction/error_classifier",
    make=classifier.make_classifier,
    audit=classifier.audit_classifier,
    checks=classifier.CHECKS,
    deps=[dg.AssetDep(_key("labelled_turns"))],
    description=(
        "Failure mode and confidence of an answer, from the first answer, the current one and the prompt; it never sees "
        "the reference. Trained on labelled turns, then frozen; without any, the embedded default."
    ),
    kinds=("python", "sklearn"),
)

traces = table_asset(
    Traces,
    reads=Questions,
    compute=compute_traces,
    section=section,
    version=VERSION,
    deps=[
        dg.AssetDep(_key("error_classifier")),
        # a day is taken under what all earlier days taught, so Dagster runs the days in order
        dg.AssetDep(_key("traces"), partition_mapping=_yesterday()),
    ],
    transient=("retries_exhausted", "call_refused_by_server"),
    shows=[funnel(), accuracy_by_turn, actions, conversations],
    kinds=("python", "delta", "llm"),
    in_process=True,
)

rts_policy = artifact_asset(
    policy.TABLE,
    make=policy.make_policy,
    audit=policy.audit_policy,
    checks=policy.CHECKS,
    deps=[
        dg.AssetDep(_key("traces")),
        dg.AssetDep(_key("rts_policy"), partition_mapping=_yesterday()),  # a day learns on top of the day before
    ],
    description=(
        "Reprompt template selection: which template to ask again with, or to stop, per failure mode, confidence and "
        "turn. The day's traces are taken under the state of the day before; this folds them in."
    ),
    partitioned=True,
    version=policy.VERSION,
)

policy_evaluation = artifact_asset(
    evaluation.TABLE,
    make=evaluation.make_evaluation,
    audit=evaluation.audit_evaluation,
    checks=evaluation.CHECKS,
    deps=[dg.AssetDep(_key("traces")), dg.AssetDep(_key("rts_policy"))],
    description=(
        "What asking again was worth on the day: accuracy before and after with intervals, oracle and non-oracle stop "
        "side by side, off-policy estimates of other policies, and regret where every outcome is known."
    ),
    partitioned=True,
    version=evaluation.VERSION,
)

ASSETS = [questions, labelled_turns, error_classifier, traces, rts_policy, policy_evaluation]
