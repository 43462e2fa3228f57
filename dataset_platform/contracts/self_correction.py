"""Contracts of the self-correction lane: questions, labelled turns, traces."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import pyarrow as pa

from dataset_platform.contracts.base import Bool, Contract, Date, Float64, Int32, Int64, String, Timestamp, column

FAILURE_MODES = ("anchored", "overcorrected", "corrected", "unchanged_correct", "wavering", "perfectionism")


def _documented(name: str, kind: pa.DataType, doc: str) -> pa.Field:
    return pa.field(name, kind, metadata={"doc": doc})


# the turn record that leaves the platform, field for field; its order is that of the export
TURN_RECORD = (
    _documented("turn_id", pa.string(), "trace_id:index, the first answer is index 0"),
    _documented("question", pa.string(), "the question"),
    _documented("answer", pa.string(), "the model's answer, whole"),
    _documented("prompt_id", pa.string(), "template that asked for this answer; null on turn 0"),
    _documented("prompt_text", pa.string(), "text of that template; null on turn 0"),
    _documented("error_mode", pa.string(), "the classifier's failure mode, without the reference answer"),
    _documented("confidence_score", pa.float64(), "the classifier's probability that this answer is right"),
    _documented(
        "delta_accuracy", pa.float64(), "accuracy less that of the turn before; 0 on turn 0, null without gold"
    ),
    _documented("token_count", pa.int64(), "tokens of the answer"),
    _documented("timestamp", pa.timestamp("us", tz="UTC"), "when the answer came, UTC"),
)
TURN_TABLE_ONLY = (
    _documented("accuracy", pa.float64(), "1 when the checker takes the answer for right, else 0; null without gold"),
    _documented("score", pa.float64(), "the checker's graded score in [0, 1], F1 where the field has one"),
    _documented("extracted", pa.string(), "final answer that the checker read; null when it found none"),
    _documented("context", pa.string(), "the policy's context after this answer: mode_confidence_turn"),
    _documented("arms_offered", pa.list_(pa.field("element", pa.string())), "actions open after this answer"),
    _documented("chosen", pa.string(), "action taken after this answer: a template, or none to stop"),
    _documented("propensity", pa.float64(), "probability with which the policy takes this action here"),
    _documented("prompt_tokens", pa.int64(), "tokens of the prompt that led to this answer"),
    _documented("cost_usd", pa.float64(), "price of the call, US dollars; null where no price is known"),
)
TURN_TYPE = pa.struct([*TURN_RECORD, *TURN_TABLE_ONLY])
Turns = Annotated[pd.ArrowDtype, pa.list_(pa.field("element", TURN_TYPE))]

# the trace record that leaves the platform, field for field
TRACE_RECORD = (
    "trace_id",
    "dataset_name",
    "question_id",
    "reference_answer",
    "turns",
    "final_accuracy",
    "total_tokens",
    "total_turns",
    "pipeline_version",
    "created_at",
)


class Questions(Contract, table="self_correction/questions", key=("question_id",)):
    """Questions of the day, from files that landed and from named data sets dealt out day by day."""

    question_id: String = column("data set and the row's own id: gsm8k/000012")
    dataset_name: String = column("data set the question is from")
    question: String = column("the question", str_length={"min_value": 1})
    context: String = column("passage that the question is about", nullable=True)
    reference_answer: String = column("gold answer; null in production use", nullable=True)
    checker: String = column("checker that grades answers to it")
    file: String = column("source file, or the named source")
    offset: Int64 = column("first byte of the row in its file; the row's number where rows have no bytes", ge=0)
    length: Int64 = column("bytes of the row", nullable=True)
    ingestion_date: Date = column("UTC day")


class LabelledTurns(Contract, table="self_correction/labelled_turns", key=("turn_id",)):
    """Turns with a known failure mode: what the error classifier is trained on."""

    turn_id: String = column("id of the turn")
    question_id: String = column("id of its question; a question's turns stay in one split")
    dataset_name: String = column("data set the question is from")
    first_answer: String = column("the first answer to the question")
    answer: String = column("the answer of this turn")
    prompt_text: String = column("prompt that asked for it; null on turn 0", nullable=True)
    turn: Int32 = column("index of the turn, the first answer is 0", ge=0)
    error_mode: String = column("failure mode, the label", isin=list(FAILURE_MODES))
    correct: Bool = column("whether the answer of this turn is right")
    source: String = column("where the label is from", isin=["imported", "simulated", "run"])
    file: String = column("source file")
    offset: Int64 = column("first byte of the row in its file", ge=0)
    ingestion_date: Date = column("UTC day")


class Traces(Contract, table="self_correction/traces", key=("trace_id",)):
    """A question's answers turn by turn, with what the policy was offered, chose and with which probability."""

    trace_id: String = column(
        "128-bit hash of data set, question and day", str_length={"min_value": 32, "max_value": 32}
    )
    dataset_name: String = column("data set the question is from")
    question_id: String = column("id of the question")
    reference_answer: String = column("gold answer; null in production use", nullable=True)
    turns: Turns = column("turn records with the decision taken after each")
    initial_accuracy: Float64 = column("accuracy of the first answer; null without gold", nullable=True, ge=0, le=1)
    final_accuracy: Float64 = column("accuracy of the last answer; null without gold", nullable=True, ge=0, le=1)
    total_tokens: Int64 = column("tokens of all answers", ge=0)
    total_turns: Int32 = column("number of answers", ge=1)
    pipeline_version: String = column("version of the stage and of its settings")
    created_at: Timestamp = column("when the last answer came, UTC")
    checker: String = column("checker that graded the answers")
    reward_source: String = column("gold, or estimated: the classifier's own judgement", isin=["gold", "estimated"])
    policy_version: String = column("policy state that took the decisions")
    classifier: String = column("fingerprint of the error classifier")
    seed: Int64 = column("seed of the day's decisions")
    model: String = column("model that answered, as its server names it")
    simulated: Bool = column("true when no model answered but a rule that pretends to be one")
    prompt_tokens: Int64 = column("tokens of all prompts", ge=0)
    cost_usd: Float64 = column("price of all calls, US dollars; null where no price is known", nullable=True, ge=0)
    file: String = column("source file of the question")
    offset: Int64 = column("first byte of the question's row in its file; its number where rows have no bytes", ge=0)
    length: Int64 = column("bytes of the question's row", nullable=True)
    ingestion_date: Date = column("UTC day")
