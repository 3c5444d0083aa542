"""Ctrl-C, SIGTERM and SIGHUP end krust soon, whatever the network does, and leave nothing half written."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from select import select

import pytest

from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.faults.proxy import Spoil, proxy, silent, until
from tests.registry import moves
from tests.registry.faults import registry
from tests.registry.moves import APP, Image
from tests.tools import KRUST

pytestmark = pytest.mark.slow

SOON = 3.0
"""Seconds: one is promised, and machines that run tests are busy."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Stuck:
    """A krust that waits: its words, and when it does."""

    words: list[str]
    waits: Callable[[], bool]


def given(store: Store, app: Image) -> None:
    for item in app.store.walk(app.root):
        store.put(app.store.read(item), item.media_type)
    store.update_ref(f"{APP}:v1", app.root)


@contextmanager
def stuck(how: str, folder: Path) -> Iterator[Stuck]:
    app = moves.image(folder / "app", 300_000, 200_000, 100_000)
    push = ["push", str(folder / "app")]
    with ExitStack() as stack:
        if how == "nobody answers":
            listener = stack.enter_context(silent())
            port = listener.getsockname()[1]
            yield Stuck([*push, f"127.0.0.1:{port}/app:v1"], lambda: bool(select([listener], [], [], 0)[0]))
        elif how == "no answer to the last PUT":
            r = stack.enter_context(registry(commit_then_timeout=True))
            yield Stuck([*push, f"{r.host}/app:v1"], lambda: len(r.seen("PUT")) >= 4)
        elif how == "a pause that the registry asked for":
            r = stack.enter_context(registry(retry_after_429=(100, 99)))
            yield Stuck([*push, f"{r.host}/app:v1"], lambda: any(q.status == 429 for q in r.requests))
        else:
            r = stack.enter_context(registry())
            given(r.store, app)
            spoil = Spoil("swallow" if how == "blobs that stop" else "trickle", after=50_000, times=99)
            p = stack.enter_context(proxy(r.ports["main"], spoil))
            yield Stuck(["fetch", f"{p.host}/{APP}:v1"], lambda: p.played >= 3)


STUCK = (
    "nobody answers",
    "no answer to the last PUT",
    "a pause that the registry asked for",
    "blobs that stop",
    "blobs that trickle",
)


def clean(store: Path) -> None:
    """Nothing is half written in the store, if there is one."""
    if store.exists():
        assert fsck(Store.open(store)).problems == ()
        assert list((store / "tmp").iterdir()) == []
        assert list(Store.open(store).refs) == []


@pytest.mark.parametrize("how", STUCK)
def test_a_signal_ends_it_soon(
    how: str, tmp_path: Path, rounds: Callable[[int, int], int], count: Callable[..., None]
) -> None:
    numbers = SIGNALS[: rounds(1, 3)]
    for number in numbers:
        folder = tmp_path / number.name
        folder.mkdir()
        with stuck(how, folder) as it:
            process = subprocess.Popen(
                [KRUST, *it.words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            try:
                until(it.waits)
                time.sleep(0.2)
                assert process.poll() is None, process.communicate()
                began = time.monotonic()
                process.send_signal(number)
                out, said = process.communicate(timeout=30)
            finally:
                process.kill()
            took = time.monotonic() - began
        assert (process.returncode, out) == (130, "")
        assert said.splitlines()[-1] == "krust: interrupted"
        assert "Traceback" not in said
        assert took < SOON
        clean(folder / ".krust")
        count(signals=1)


@pytest.mark.parametrize("how", STUCK)
def test_two_end_it_at_once(how: str, tmp_path: Path, count: Callable[..., None]) -> None:
    with stuck(how, tmp_path) as it:
        process = subprocess.Popen([KRUST, *it.words], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        try:
            until(it.waits)
            time.sleep(0.2)
            began = time.monotonic()
            for _ in range(2):
                os.kill(process.pid, signal.SIGINT)
                time.sleep(0.02)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
        took = time.monotonic() - began
    assert process.returncode == 130
    assert "Traceback" not in said
    assert took < SOON
    count(signals=2)
