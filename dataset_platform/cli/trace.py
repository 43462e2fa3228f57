"""``trace``: the way of one document, printed."""

from __future__ import annotations

import json

from dataset_platform.cli import output
from dataset_platform.lake.tracing import Trace, trace
from dataset_platform.settings import Settings


def run_trace(target: str, show_raw: bool, as_json: bool) -> int:
    """The ``trace`` command; its exit code."""
    traces = trace(Settings.from_env(), target)
    for one in traces:
        _print(one, show_raw)
    if as_json:
        print(json.dumps({"traces": [t.as_dict() for t in traces]}), flush=True)
    return 0


def _print(one: Trace, show_raw: bool) -> None:
    say = output.out.print
    say(f"[bold]{one.doc_id or 'no doc_id'}[/bold]  {one.day}", soft_wrap=True)
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
    if one.shard:
        say(f"  tokens     {one.shard['tokens']} in {one.shard['shard_id']}", soft_wrap=True, markup=False)
    if show_raw and one.head:
        say(one.head.decode("utf-8", "replace"), markup=False)
