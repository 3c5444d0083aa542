"""Children that end when krust ends: each runs in a process group of its own, which is stopped as a whole."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from krust.errors import CargoError, ToolchainError

_GRACE = 5.0
"""Seconds from the request to stop until the group is killed; cargo and rustc need a few milliseconds."""

_DYING = 0.5
"""Seconds that are waited for killed grandchildren to be gone; some first processes of containers bury them late."""

_STOPPED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def output(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], failure: str) -> str:
    """What `command` writes to stdout; as `run` does, otherwise."""
    said: list[str] = []
    run(command, cwd=cwd, env=env, failure=failure, line=said.append)
    return "".join(said)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    failure: str,
    line: Callable[[str], None],
    keep: Sequence[int] = (),
) -> None:
    """Run `command` to its end. Its stderr is ours; its stdout goes to `line`, one by one, as they come.

    keep    file descriptors that the child inherits, such as a lock that it must hold on to if we are killed
    raises  CargoError with `failure` if it ends with another code than 0; ToolchainError if it cannot be started;
            KeyboardInterrupt for SIGINT, SIGTERM and SIGHUP, and whatever `line` raises: the child is stopped then,
            with all its children
    """
    with _interruptible(), _started(command, cwd, env, keep) as child:
        for raw in child.stdout or ():
            line(raw.decode("utf-8", "replace"))
        code = child.wait()
    if code:
        raise CargoError(failure if code > 0 else f"{failure}: {_ended_by(-code)}")


@contextlib.contextmanager
def _started(
    command: Sequence[str | Path], cwd: Path, env: Mapping[str, str], keep: Sequence[int]
) -> Iterator[subprocess.Popen[bytes]]:
    try:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=_stderr(),
            pass_fds=keep,
            # The terminal sends Ctrl-C to krust alone then, and krust ends the whole group once.
            process_group=0,
        )
    except OSError as error:
        fault = f"cannot start '{command[0]}': {error.strerror or error}"
        raise ToolchainError(f"{fault}; install Rust (https://rustup.rs), or set CARGO and RUSTC") from error
    try:
        yield child
    except BaseException:
        _stop(child)
        raise
    finally:
        if child.stdout:
            child.stdout.close()


def _stderr() -> int:
    """Where words go; sys.stderr may be a test's or a redirection, and may have no descriptor."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return 2


def _stop(child: subprocess.Popen[bytes]) -> None:
    try:
        _signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
    finally:  # also when a second Ctrl-C cuts the wait short
        _signal_group(child, signal.SIGKILL)
        child.wait()
        # Its children are not ours to wait for, but what they still write would be in the way of whoever cleans up.
        deadline = time.monotonic() + _DYING
        while _signal_group(child, 0) and time.monotonic() < deadline:
            time.sleep(0.01)


def _signal_group(child: subprocess.Popen[bytes], number: int) -> bool:
    """Whether anyone is there to be signalled. macOS says PermissionError of a group of zombies."""
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Make the signals that would end us without a word end us as Ctrl-C does, where nobody else has said how."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _STOPPED}
    ours = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ended_by(number: int) -> str:
    try:
        return f"stopped by {signal.Signals(number).name}"
    except ValueError:
        return f"stopped by signal {number}"
