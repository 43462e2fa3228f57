"""What the language model tests share: the server that fails on demand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataset_platform_tests.llm.fault_server import FaultServer, serving


@pytest.fixture(scope="session")
def _fault_server() -> Iterator[FaultServer]:
    with serving() as server:
        yield server


@pytest.fixture
def fault_server(_fault_server: FaultServer) -> FaultServer:
    """The server, without faults and counts of earlier tests."""
    _fault_server.set()
    return _fault_server
