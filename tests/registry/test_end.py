"""The registry of the tests ends whole: what it has left behind would fail whatever test runs when it is collected."""

from __future__ import annotations

import gc
import socket
import sys
from typing import Any

import pytest

from tests.registry.faults import registry


@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_of_the_last_moment_is_closed(tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    unclosed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unclosed.append)
    for _ in range(10):
        with registry(tls=tls) as r, socket.create_connection(("127.0.0.1", r.ports["main"])):
            pass
    gc.collect()
    assert [str(each.exc_value) for each in unclosed] == []
