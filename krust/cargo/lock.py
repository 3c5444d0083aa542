"""A lock between krust processes, for what is made once and kept in the cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from krust.errors import KrustError, ToolchainError
from plumbing.errors import system_words


class Busy(KrustError):
    """Another process has the lock, and nobody wanted to wait. It does not leave krust.cargo."""


@contextlib.contextmanager
def locked(path: Path, *, waiting: Callable[[], None] = lambda: None, wait: bool = True) -> Iterator[int]:
    """Hold the lock at `path`; yield its descriptor, which a child may inherit to hold it on.

    waiting  is called once if another process has it
    raises   ToolchainError where the file cannot be made; Busy if another process has it and we are not to wait
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        fault = f"cannot write to the cache '{path.parent}': {system_words(error)}"
        raise ToolchainError(f"{fault}; make it writable, or name another cache directory") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise Busy(f"'{path}' is locked") from None
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)  # the file stays: unlinking it would let two processes lock two files of one name
