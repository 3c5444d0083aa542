"""Target: a function that gives bytes to a parser, and checks what comes of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from plumbing.errors import Malformed, PlumbingError

CORPUS = Path(__file__).with_name("corpus")

USUAL = 512
LONGEST = 1 << 15
"""Bytes of inputs: enough to say something, and enough that what takes quadratic time is noticed."""

_LONGEST_MESSAGE = 2000

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Target:
    """`name` is that of the function, after its module's: oci.digest. `check` raises where something is wrong.

    words    what is worth putting into an input: keywords and marks of the grammar
    usual    bytes of most inputs: longer ones say little that is new, and take long
    longest  bytes of all
    """

    name: str
    check: Callable[[bytes], None]
    words: tuple[bytes, ...]
    usual: int
    longest: int

    @property
    def corpus(self) -> Path:
        return CORPUS / self.name


TARGETS: dict[str, Target] = {}
"""By name, those of all modules that were imported; `targets.load` imports them."""


def target(
    *words: str | bytes, usual: int = USUAL, longest: int = LONGEST
) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    """Makes a target of a function. It may let nothing through: what its parser may raise, it calls by `tried`."""

    def register(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
        name = f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
        raw = tuple(word.encode() if isinstance(word, str) else word for word in words)
        TARGETS[name] = Target(name, check, raw, usual, longest)
        return check

    return register


def tried(refusal: type[PlumbingError], parse: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
    """What `parse` gives; None where it raises `refusal`, which has to have a message that is fit for people."""
    try:
        return parse(*arguments, **named)
    except refusal as error:
        check_message(error)
        return None


def refuses(refusal: type[PlumbingError], parse: Callable[[], Iterable[T]]) -> list[T] | None:
    """As `tried`, for what is only found wrong while it is read."""
    return tried(refusal, lambda: list(parse()))


def check_message(error: PlumbingError) -> None:
    message = str(error)
    assert message, f"{error!r} says nothing"
    assert all(line.isprintable() for line in message.split("\n")), f"control characters in {message!r}"
    assert len(message) <= _LONGEST_MESSAGE, f"{len(message)} characters of message: {message[:200]!r}"


def text(data: bytes) -> str:
    """As words of a command line come: what is no UTF-8 stands in it as lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def malformed(parse: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
    """`tried`, for what raises Malformed."""
    return tried(Malformed, parse, *arguments, **named)


@contextmanager
def folder() -> Iterator[Path]:
    """An empty one, in memory where there is such a place."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="krust-fuzz-", dir=place) as path:
        yield Path(path)
