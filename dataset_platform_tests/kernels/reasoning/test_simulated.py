"""The simulated model's levels: by rule of what the prompt says, marked, and only for this lane's prompts."""

from __future__ import annotations

import jsonschema
import orjson
import pytest

from dataset_platform.kernels.reasoning import prompts
from dataset_platform.kernels.reasoning.level_checks import validate_level
from dataset_platform.kernels.reasoning.levels import parse, schema_of
from dataset_platform.kernels.reasoning.simulated import PREFIX, answer
from dataset_platform.kernels.reasoning.trace import LEVELS
from dataset_platform.llm.backends.simulated import respond
from dataset_platform.llm.request import Message, Request
from dataset_platform_tests.kernels.reasoning.llm_scene import keyframes


def asked(frame, level: str, above: dict) -> Request:
    text = prompts.level_prompt(level, prompts.scene_text(frame.facts, frame.view), above)
    return Request((Message("system", prompts.SYSTEM), Message("user", text)), max_tokens=4000, schema=schema_of(level))


@pytest.mark.parametrize("frame", keyframes(6), ids=lambda f: f.frame_id)
def test_every_level_fits_its_schema_and_the_facts(frame):
    above: dict = {}
    for level in LEVELS:
        value = orjson.loads(respond(asked(frame, level, above)).text)
        jsonschema.validate(value, schema_of(level))
        models = {name: parse(name, v) for name, v in above.items()}
        assert validate_level(level, parse(level, value), frame.facts, frame.view, models) == []
        assert value["text"].startswith(PREFIX)
        above[level] = value


def test_other_schemas_and_other_words_are_left_to_the_example():
    frame = keyframes(1)[0]
    text = asked(frame, LEVELS[0], {}).messages[1].content
    assert answer({"title": "another", "type": "object"}, [text]) is None
    assert answer(schema_of(LEVELS[0]), ["Tell me of the scene."]) is None
    assert answer(schema_of(LEVELS[0]), []) is None
    done = respond(Request((Message("user", "?"),), schema={"type": "integer", "minimum": 3}))
    assert done.text == "3"
