"""Errors keep cause and next step, also across process borders."""

from __future__ import annotations

import pickle

import pytest

from dataset_platform import errors
from dataset_platform.errors import PlatformError

KINDS = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, PlatformError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@pytest.mark.parametrize("arguments", [("cause",), ("cause", "Do this.")])
def test_an_error_survives_pickling_with_cause_and_hint(kind: type[PlatformError], arguments: tuple[str, ...]) -> None:
    error = kind(*arguments)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        back = pickle.loads(pickle.dumps(error, protocol))
        assert type(back) is kind
        assert (back.message, back.hint, str(back)) == (error.message, error.hint, str(error))


def test_the_text_is_cause_then_hint_on_one_line() -> None:
    assert str(PlatformError("It broke.", "Mend it.")) == "It broke. Mend it."
    assert str(PlatformError("It broke.")) == "It broke."


def test_every_kind_is_caught_as_the_base() -> None:
    assert len(KINDS) >= 8
    for kind in KINDS:
        with pytest.raises(PlatformError):
            raise kind("x")


def test_an_error_of_another_process_arrives_whole() -> None:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(errors.ConfigError) as caught:
        from dataset_platform.settings import parse_day

        pool.submit(parse_day, "2026-02-30").result()
    assert "2026-02-30" in caught.value.message
    assert "YYYY-MM-DD" in caught.value.hint
