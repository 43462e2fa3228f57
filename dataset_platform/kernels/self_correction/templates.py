"""Reprompt templates: the ways to ask a model to look at its answer again, with the attributes of each.

A template is one user message that follows an answer. None says whether the answer is right or wrong as a fact, none
holds scaffolding of its own, and where a new answer is due it asks for the final line that checkers read. A file of
one's own (YAML or JSON: a list of objects with the same attributes) takes the place of the library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dataset_platform.errors import ConfigError

Style = Literal["supportive", "neutral", "adversarial"]
CognitiveLoad = Literal["low", "medium", "high"]

NONE = "none"
"""The arm that stops: the current answer stands."""

_END = "End with the final answer alone on a last line that starts with ####."


@dataclass(frozen=True)
class Template:
    """One way to ask again.

    Attributes:
        prompt_id: the arm's name in the policy and in the traces.
        text: the whole user message.
        style: how it speaks to the model.
        cognitive_load: how much work it asks for.
        counters: biases it is meant to counter, by their names in the literature; may be empty.
    """

    prompt_id: str
    text: str
    style: Style = "neutral"
    cognitive_load: CognitiveLoad = "medium"
    counters: tuple[str, ...] = ()


TEMPLATES: tuple[Template, ...] = (
    Template("p_try_again", f"Please answer the question once more, from the start. {_END}", "neutral", "low"),
    Template(
        "p_think_step_by_step",
        "Work through the question again in small numbered steps, and let each step use only what the question or "
        f"an earlier step gives. {_END}",
        "supportive",
        "high",
    ),
    Template(
        "p_think_less",
        f"Take the shortest way to the answer: at most three short lines, no second thoughts. {_END}",
        "neutral",
        "low",
        ("overthinking",),
    ),
    Template(
        "p_are_you_sure",
        f"Are you sure? Keep your answer if it holds, change it only if you find a concrete mistake. {_END}",
        "adversarial",
        "low",
        ("overconfidence",),
    ),
    Template(
        "p_explain_why",
        "Explain why your answer follows from the question, as if to someone who doubts it. Where the explanation "
        f"fails, correct the answer. {_END}",
        "supportive",
        "medium",
        ("confirmation",),
    ),
    Template(
        "counter_anchor",
        "Put your earlier answer aside and do not look back at it. Solve the question by another route than before, "
        f"then give the result of that route. {_END}",
        "neutral",
        "high",
        ("anchoring",),
    ),
    Template(
        "devils_advocate",
        "Argue against your answer: name the strongest reason why it could be wrong, and test that reason. Then "
        f"give the answer that survives. {_END}",
        "adversarial",
        "high",
        ("confirmation", "overconfidence"),
    ),
    Template(
        "evidence_only",
        "List the facts that the question states, nothing else. Derive the answer from this list alone and drop "
        f"whatever you had assumed. {_END}",
        "neutral",
        "medium",
        ("availability", "overgeneralization"),
    ),
    Template(
        "recompute",
        "Compute every number in your answer again, one calculation a line, without retelling the story. If a "
        f"result differs, carry the new one through to the end. {_END}",
        "neutral",
        "medium",
        ("logic_error",),
    ),
    Template(
        "quantify_uncertainty",
        "For each step of your answer, state how likely it is to be right, in percent. Redo the least likely step "
        f"and whatever depends on it. {_END}",
        "neutral",
        "high",
        ("overconfidence",),
    ),
    Template(
        "calm_focus",
        "You are doing fine, and there is no hurry. Read the question slowly once more, mind what exactly it asks "
        f"for, and answer that. {_END}",
        "supportive",
        "low",
        ("hindsight",),
    ),
    Template(
        "units_check",
        "Check the unit and the size of every quantity: do the units cancel, is the result plausible, is it in the "
        f"unit that the question asks for? Correct what is off. {_END}",
        "neutral",
        "medium",
        ("logic_error",),
    ),
)


class _Entry(BaseModel):
    """One template in a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_id: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")
    text: str = Field(min_length=1)
    style: Style = "neutral"
    cognitive_load: CognitiveLoad = "medium"
    counters: tuple[str, ...] = ()


def load_templates(path: str | Path | None = None, arms: Iterable[str] | None = None) -> dict[str, Template]:
    """The templates in force, by id, in the library's order or in that of ``arms``.

    Args:
        path: a YAML or JSON file with a list of templates; the built-in library when None.
        arms: ids to keep; all when None.

    Raises:
        ConfigError: the file cannot be read or holds something else, or an arm has no template.
    """
    found = {t.prompt_id: t for t in (TEMPLATES if path is None else _read(Path(path).expanduser()))}
    if arms is None:
        return found
    wanted = [a for a in arms if a != NONE]
    unknown = sorted(set(wanted) - set(found))
    if unknown:
        where = "the built-in library" if path is None else str(path)
        raise ConfigError(f"No template {', '.join(unknown)} in {where}.", f"Choose from: {', '.join(found)}.")
    return {a: found[a] for a in wanted}


def fingerprint(templates: Iterable[Template]) -> str:
    """Hash of ids, texts and attributes: what was learned of other texts is out of date."""
    content = json.dumps([asdict(t) for t in templates], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _read(path: Path) -> list[Template]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML too
        entries = TypeAdapter(list[_Entry]).validate_python(content)
    except OSError as e:
        raise ConfigError(f"Cannot read templates from {path}: {e.strerror}.", "Mend templates_file.") from None
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path} is not UTF-8 (byte {e.start}).", "Save the file as UTF-8.") from None
    except yaml.YAMLError as e:
        raise ConfigError(f"{path} is neither YAML nor JSON: {str(e).splitlines()[0]}.", "Mend the file.") from None
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "the file as a whole"
        raise ConfigError(
            f"{path}: {where}: {first['msg']}.",
            "A template has prompt_id, text, style ("
            + ", ".join(get_args(Style))
            + "), cognitive_load ("
            + ", ".join(get_args(CognitiveLoad))
            + ") and counters (a list).",
        ) from None
    ids = [e.prompt_id for e in entries]
    doubled = sorted({i for i in ids if ids.count(i) > 1})
    if not entries or doubled or NONE in ids:
        cause = "no template" if not entries else f"{', '.join(doubled)} twice" if doubled else f"the id {NONE!r}"
        raise ConfigError(f"{path} has {cause}.", f"List at least one template, each id once; {NONE!r} means to stop.")
    return [Template(**e.model_dump()) for e in entries]
