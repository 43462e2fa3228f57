"""What the UI shows of the day's traces: conversations, accuracy turn by turn, what the policy did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from dataset_platform.defs.metadata import Metadata, Published, bars
from dataset_platform.lake.turn_columns import turn_columns, turns_by_trace

SHOWN_CHARS = 1_500
SCAN_ROWS = 500


def conversations(of: Published) -> Metadata:
    """Up to three traces as conversations: one that was mended, one that was spoiled, one that stopped at once."""
    rows = _head(of)
    kinds = {
        "mended": [r for r in rows if (r["initial_accuracy"], r["final_accuracy"]) == (0.0, 1.0)],
        "spoiled": [r for r in rows if (r["initial_accuracy"], r["final_accuracy"]) == (1.0, 0.0)],
        "stopped at once": [r for r in rows if r["total_turns"] == 1],
    }
    chosen = [(name, found[0]) for name, found in kinds.items() if found] or [("first", r) for r in rows[:1]]
    text = "\n\n---\n\n".join(f"**{name}** · {conversation(row)}" for name, row in chosen)
    return {"conversations": dg.MetadataValue.md(text)}


def conversation(row: Mapping[str, Any]) -> str:
    """A trace as Markdown: question, answers, what was judged and decided after each."""
    simulated = " · **simulated, no model answered**" if row["simulated"] else ""
    lines = [
        f"`{row['trace_id']}` · {row['question_id']} · {row['model']}{simulated} · policy {row['policy_version']}",
        f"**Question** {_quoted(row['turns'][0]['question'])}",
    ]
    for i, turn in enumerate(row["turns"]):
        if turn["prompt_text"]:
            lines.append(f"**Asked again** ({turn['prompt_id']}) {_quoted(turn['prompt_text'])}")
        mark = {1.0: "right", 0.0: "wrong"}.get(turn["accuracy"], "no gold")
        lines.append(f"**Answer {i}** ({mark}, {turn['token_count']} tokens) {_quoted(turn['answer'])}")
        lines.append(
            f"*{turn['error_mode']}, confidence {turn['confidence_score']:.2f} → "
            f"{turn['chosen']} (propensity {turn['propensity']:.3f})*"
        )
    gold = row["reference_answer"]
    if gold:
        lines.append(f"**Reference** {_quoted(gold)}")
    return "\n\n".join(lines)


def _quoted(text: str) -> str:
    cut = text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
    lines = [line.replace("<", "&lt;") for line in cut.strip().splitlines()]
    return "\n\n" + "\n".join(f"> {line}  " for line in lines)  # two spaces: a line of its own


def accuracy_by_turn(of: Published) -> Metadata:
    """Accuracy if every trace had stopped at the given turn at the latest, and before and after in one line."""
    right: Counter[int] = Counter()
    traces, longest, ended, simulated = 0, 0, Counter[tuple[int, float]](), False
    for trace, turns in turns_by_trace(of.table, of.day, ["accuracy"], ["simulated"]):
        simulated = simulated or trace["simulated"]
        values = turns["accuracy"]
        if values[0] is None:
            continue
        traces, longest = traces + 1, max(longest, len(values))
        right.update({t: int(v) for t, v in enumerate(values)})
        ended[len(values), values[-1]] += 1
    metadata: Metadata = {"simulated": simulated}
    if not traces:
        return metadata
    stopped = {
        f"turn {t}": (right[t] + sum(int(v) * n for (length, v), n in ended.items() if length <= t)) / traces
        for t in range(longest)
    }
    return metadata | {
        "accuracy_before": stopped["turn 0"],
        "accuracy_after": stopped[f"turn {longest - 1}"],
        "accuracy_by_turn": bars(stopped, f"accuracy after each turn, {of.day}"),
    }


def actions(of: Published) -> Metadata:
    """How often each action was taken, and failure modes as the classifier saw them."""
    chosen, modes = Counter[str](), Counter[str]()
    for batch in turn_columns(of.table, of.day, ["chosen", "error_mode"]):
        chosen.update(batch["chosen"])
        modes.update(batch["error_mode"])
    return {
        "actions": bars(dict(chosen.most_common()), "decisions by action"),
        "error_modes": bars(dict(modes.most_common()), "answers by failure mode"),
    }


def _head(of: Published) -> Sequence[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    on_day = pc.field("ingestion_date") == pa.scalar(of.day).cast(pa.date32())
    rows: list[dict[str, Any]] = of.table.dataset().head(SCAN_ROWS, filter=on_day).to_pylist()
    return rows
