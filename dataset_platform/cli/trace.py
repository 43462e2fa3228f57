"""``trace``: the way of one document, frame or conversation, printed."""

from __future__ import annotations

import json

from dataset_platform.cli import output
from dataset_platform.lake.conversations import Conversation, find_conversations
from dataset_platform.lake.frame_tracing import find_frames
from dataset_platform.lake.tracing import Trace, trace
from dataset_platform.settings import Settings


def run_trace(target: str, show_raw: bool, as_json: bool) -> int:
    """The ``trace`` command; its exit code."""
    settings = Settings.from_env()
    conversations = find_conversations(settings, target)
    if conversations:
        for one_of in conversations:
            _print_conversation(one_of, show_raw)
        if as_json:
            print(json.dumps({"conversations": [c.as_dict() for c in conversations]}, default=str), flush=True)
        return 0
    traces = find_frames(settings, target) or trace(settings, target)
    for one in traces:
        _print(one, show_raw)
    if as_json:
        print(json.dumps({"traces": [t.as_dict() for t in traces]}), flush=True)
    return 0


def _print_conversation(of: Conversation, show_raw: bool) -> None:
    say = output.out.print
    say(f"[bold]{of.question_id}[/bold]  {of.day}", soft_wrap=True)
    span = f" bytes {of.offset}+{of.length}" if of.length is not None else f" row {of.offset}"
    checked = "; the row's bytes are there" if of.raw is not None else ""
    say(f"  raw        {of.file}{span}{checked}", soft_wrap=True, markup=False)
    for rejection in of.rejections:
        why = f" ({rejection['detail']})" if rejection["detail"] else ""
        say(f"  rejected   {rejection['stage']}: {rejection['reason']}{why}", soft_wrap=True, markup=False)
    if of.row is None:
        return
    row = of.row
    by = f"{row['model']}{', SIMULATED: no model answered' if row['simulated'] else ''}"
    say(f"  trace      {row['trace_id']} by {by}, policy {row['policy_version']}", soft_wrap=True, markup=False)
    say(f"  question   {row['turns'][0]['question']}", soft_wrap=True, markup=False)
    for i, turn in enumerate(row["turns"]):
        if turn["prompt_id"]:
            say(f"  asked      {turn['prompt_id']}: {turn['prompt_text']}", soft_wrap=True, markup=False)
        mark = {1.0: "right", 0.0: "wrong"}.get(turn["accuracy"], "not graded")
        answer = "\n             ".join(turn["answer"].strip().splitlines())
        say(f"  answer {i}   {answer}", soft_wrap=True, markup=False)
        judged = f"{mark}; judged {turn['error_mode']}, confidence {turn['confidence_score']:.2f}"
        say(f"             {judged} → {turn['chosen']} with propensity {turn['propensity']:.3f}", markup=False)
    if row["reference_answer"]:
        say(f"  reference  {row['reference_answer'].strip().splitlines()[-1]}", soft_wrap=True, markup=False)
    if show_raw and of.raw is not None:
        say(of.raw.decode("utf-8", "replace"), markup=False)


def _print(one: Trace, show_raw: bool) -> None:
    say = output.out.print
    say(f"[bold]{one.doc_id or 'no doc_id'}[/bold]  {one.day}", soft_wrap=True)
    if one.url is not None:
        say(f"  url        {one.url}", soft_wrap=True, markup=False)
    if one.file is not None:
        span = f"bytes {one.offset}+{one.length if one.length is not None else '?'}"
        kind = f" ({one.offset_kind})" if one.offset_kind else ""
        say(f"  raw        {one.file} {span}{kind}; {one.bytes_note or 'not read back'}", soft_wrap=True, markup=False)
    if one.record_id:
        say(f"  record     {one.record_id}", soft_wrap=True, markup=False)
    for step in one.steps:
        line = f"  {step.outcome:<11}{step.stage}"
        if step.reason:
            line += f": {step.reason}"
        if step.measure is not None:
            line += f", measure {step.measure:.6g}"
        if step.detail:
            line += f" ({step.detail})"
        say(line, soft_wrap=True, markup=False)
        if step.measures:
            taken = ", ".join(f"{name} {value:.4g}" for name, value in step.measures.items())
            say(f"  {'measured':<11}{taken}", soft_wrap=True, markup=False)
    if one.shard:
        say(f"  tokens     {one.shard['tokens']} in {one.shard['shard_id']}", soft_wrap=True, markup=False)
    if show_raw and one.head:
        say(one.head.decode("utf-8", "replace"), markup=False)
