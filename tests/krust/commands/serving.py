"""krust serve, as a process of its own for the time of a block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools import KRUST, running, says

_READY = r"(?m)^(localhost:\d+)$"


@contextmanager
def serving(store: Path, *options: str) -> Iterator[str]:
    """host:port of `krust serve`, over the store at `store`."""
    argv: list[str | Path] = [KRUST, "serve", "--store", store, *options]
    with running(argv, ready=says(_READY), log=store.with_name(f"{store.name}.log")) as server:
        found = re.search(_READY, server.said())
        assert found
        yield found[1]
