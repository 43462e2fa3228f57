"""One trace from a language model: five levels in turn, each checked against the facts before the next builds on it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataset_platform.kernels.reasoning import prompts
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.level_checks import validate_level
from dataset_platform.kernels.reasoning.levels import LevelError, parse, schema_of
from dataset_platform.kernels.reasoning.settings import ReasoningConfig
from dataset_platform.kernels.reasoning.trace import LEVELS, CoTTrace
from dataset_platform.kernels.reasoning.view import PlanView
from dataset_platform.llm.errors import CallError, FatalError
from dataset_platform.llm.request import Image, Message, Request, Response

if TYPE_CHECKING:
    from dataset_platform.llm.engine import Engine


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A frame that a trace is written about, with the pointer to its record.

    Attributes:
        picture: the front camera's picture as JPEG; None where there is none.
    """

    trace_id: str
    frame_id: str
    scenario_id: str
    step: int
    complexity: str
    facts: Facts
    view: PlanView
    file: str
    offset: int
    length: int
    picture: bytes | None = None


class InvalidLevel(CallError):
    """A level that does not agree with the facts, also after one repair turn."""

    kind = "invalid_level"
    billed = True

    def __init__(self, message: str, hint: str = "", problems: int = 0) -> None:
        super().__init__(message, hint)
        self.problems = problems


@dataclass
class Spent:
    """What the calls of a trace came to; ``cost_usd`` is None once a price is not known."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    created_at: datetime | None = None
    model: str = ""
    simulated: bool = False
    repaired: list[str] = field(default_factory=list)

    def add(self, response: Response) -> None:
        """Count an answer."""
        self.calls += 2 if response.extra.get("repaired") else 1
        self.prompt_tokens += response.usage.prompt_tokens
        self.completion_tokens += response.usage.completion_tokens
        known = self.cost_usd is not None and response.cost_usd is not None
        self.cost_usd = self.cost_usd + response.cost_usd if known else None  # type: ignore[operator]
        self.created_at = max(filter(None, (self.created_at, response.received_at)))
        self.model, self.simulated = response.model, self.simulated or response.simulated

    def and_also(self, other: Spent) -> Spent:
        """This and what another writer was paid for the same frame; model and time stay those of the kept trace."""
        known = self.cost_usd is not None and other.cost_usd is not None
        return replace(
            self,
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost_usd=self.cost_usd + other.cost_usd if known else None,  # type: ignore[operator]
        )


class Pictures:
    """Whether the model takes pictures; found out with the first one, while other frames that have one wait."""

    def __init__(self, wanted: bool) -> None:
        self.taken: bool | None = None if wanted else False
        self._first = asyncio.Lock()

    async def complete(self, engine: Engine, plain: Request, pictured: Request) -> Response:
        """The answer to ``pictured``, or to ``plain`` from a model that refuses pictures."""
        if self.taken is None:
            async with self._first:
                if self.taken is None:
                    return await self._try(engine, plain, pictured)
        return await engine.complete(pictured if self.taken else plain)

    async def _try(self, engine: Engine, plain: Request, pictured: Request) -> Response:
        try:
            response = await engine.complete(pictured)
        except FatalError:
            # the same words without the picture tell whether it was the picture that was refused
            response = await engine.complete(plain)
            self.taken = False
        else:
            self.taken = True
        return response


class TraceWriter:
    """Writes traces with one model."""

    def __init__(self, engine: Engine, config: ReasoningConfig) -> None:
        self._engine, self._config = engine, config
        self._pictures = Pictures(config.images)

    async def write(self, keyframe: Keyframe, spent: Spent) -> CoTTrace:
        """The trace of a keyframe.

        Args:
            spent: every answer is counted here as it comes, so it holds too where no trace comes of them.

        Raises:
            CallError: a call failed for good, or a level (InvalidLevel) could not be mended.
            BudgetReached, TooManyErrors: no further call can be made.
        """
        scene = prompts.scene_text(keyframe.facts, keyframe.view)
        above: dict[str, Any] = {}
        for level in LEVELS:
            above[level] = await self._level(level, keyframe, scene, above, spent)
        identity = {n: getattr(keyframe, n) for n in ("trace_id", "frame_id", "scenario_id", "step")}
        return CoTTrace(**identity, **above)

    async def _level(self, level: str, keyframe: Keyframe, scene: str, above: Mapping[str, Any], spent: Spent) -> Any:
        seen = {name: model.model_dump(mode="json") for name, model in above.items()}
        request = self._request(level, keyframe, prompts.level_prompt(level, scene, seen))
        if level == LEVELS[0] and keyframe.picture is not None and self._config.images:
            prompt = prompts.level_prompt(level, scene, seen, picture=True)
            pictured = self._request(level, keyframe, prompt, (Image(keyframe.picture),))
            response = await self._pictures.complete(self._engine, request, pictured)
            request = pictured if self._pictures.taken else request
        else:
            response = await self._engine.complete(request)
        spent.add(response)
        model, problems = _read(level, response.parsed, keyframe, above)
        if not problems:
            return model
        turns = (Message("assistant", response.text), Message("user", prompts.repair_prompt(problems)))
        response = await self._engine.complete(replace(request, messages=request.messages + turns))
        spent.add(response)
        spent.repaired.append(level)
        model, problems = _read(level, response.parsed, keyframe, above)
        if problems:
            raise InvalidLevel(f"{level}, also after a repair turn: {'; '.join(problems)}", problems=len(problems))
        return model

    def _request(self, level: str, keyframe: Keyframe, prompt: str, images: tuple[Image, ...] = ()) -> Request:
        config = self._config
        return Request(
            (Message("system", prompts.SYSTEM), Message("user", prompt, images)),
            max_tokens=config.max_level_tokens,
            temperature=config.temperature,
            seed=config.seed,
            schema=schema_of(level),
            label=f"{keyframe.trace_id}:{level}",
        )


def _read(level: str, value: Any, keyframe: Keyframe, above: Mapping[str, Any]) -> tuple[Any, list[str]]:
    try:
        model = parse(level, value)
    except LevelError as e:
        return None, [e.message]
    return model, validate_level(level, model, keyframe.facts, keyframe.view, above)
