"""Templates: the library's own rules, and files of one's own."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from dataset_platform.errors import ConfigError
from dataset_platform.kernels.self_correction.templates import NONE, TEMPLATES, fingerprint, load_templates


def test_the_library_is_sound() -> None:
    ids = [t.prompt_id for t in TEMPLATES]
    assert len(set(ids)) == len(ids) >= 12
    assert NONE not in ids
    assert len({t.text for t in TEMPLATES}) == len(ids)
    assert {t.style for t in TEMPLATES} == {"supportive", "neutral", "adversarial"}
    assert {t.cognitive_load for t in TEMPLATES} == {"low", "medium", "high"}
    for t in TEMPLATES:
        assert "####" in t.text  # checkers read this line
        # no scaffolding: placeholders, role names, chat markup
        assert not any(mark in t.text for mark in ("{", "}", "<|", "Human:", "Assistant:", "System:", "[INST]"))
        # nobody knows whether the answer at hand is right
        assert not any(claim in t.text.lower() for claim in ("is wrong", "is incorrect", "is correct", "you are right"))


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_a_file_of_ones_own_takes_the_library_s_place(tmp_path: Path, write) -> None:
    rows = [{**asdict(t), "counters": list(t.counters)} for t in TEMPLATES[:3]]
    file = tmp_path / "templates"
    file.write_text(write(rows))
    assert tuple(load_templates(file).values()) == TEMPLATES[:3]


def test_attributes_of_a_file_have_defaults(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("- {prompt_id: mine, text: Once more.}\n")
    (template,) = load_templates(str(file)).values()
    assert (template.style, template.cognitive_load, template.counters) == ("neutral", "medium", ())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "list"),
        ("[]", "no template"),
        ("- {prompt_id: a}", "0.text"),
        ("- {prompt_id: a, text: ''}", "0.text"),
        ("- {prompt_id: a, text: x, style: rude}", "0.style"),
        ("- {prompt_id: a, text: x, mood: good}", "0.mood"),
        ("- {prompt_id: none, text: x}", "'none'"),
        ("- {prompt_id: a, text: x}\n- {prompt_id: a, text: y}", "a twice"),
        ("- {prompt_id: 'a b', text: x}", "0.prompt_id"),
        ("a: [", "neither YAML nor JSON"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=said):
        load_templates(file)


def test_a_missing_file_and_an_unknown_arm_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent.yaml"):
        load_templates(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="p_nod"):
        load_templates(arms=["recompute", "p_nod"])


def test_arms_choose_and_order() -> None:
    assert list(load_templates(arms=["recompute", NONE, "p_try_again"])) == ["recompute", "p_try_again"]


def test_the_fingerprint_follows_the_text() -> None:
    changed = (replace(TEMPLATES[0], text="Once more."), *TEMPLATES[1:])
    assert fingerprint(TEMPLATES) == fingerprint(list(TEMPLATES)) != fingerprint(changed)
