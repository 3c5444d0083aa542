"""A store in the working directory, and plumbing commands in this process: as one of its own each costs 0.1 s."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from plumbing.__main__ import group
from plumbing.commands.group import run
from plumbing.store import Store


@dataclass(frozen=True)
class Ran:
    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Plumbing = Callable[..., Ran]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return Store.create(Path(".krust"))


@pytest.fixture
def plumbing(
    store: Store, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Plumbing]:
    """Run a command; `code` is what it must exit with."""

    def ran(*arguments: object, stdin: bytes = b"", code: int = 0) -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsysbinary.readouterr()
        exit_code = run(group, [str(argument) for argument in arguments], name="plumbing")
        out, err = capsysbinary.readouterr()
        assert exit_code == code, err.decode()
        return Ran(exit_code, out, err.decode())

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield ran
    for number, handler in handlers.items():
        signal.signal(number, handler)
