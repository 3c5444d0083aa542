"""Children that end when krust ends: each runs in a session of its own, whose process group is stopped as a whole."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from types import FrameType

from krust.errors import CargoError, ToolchainError
from plumbing.errors import system_words

_GRACE = 5.0
"""Seconds from the request to stop until the group is killed; cargo and rustc need a few milliseconds."""

_DYING = 0.5
"""Seconds that are waited for killed grandchildren to be gone; some first processes of containers bury them late."""

LIMIT = 64 * 1024 * 1024
"""Bytes that a program may answer a question with. Cargo's metadata of 1500 packages has 8 MiB."""

_LINE = 16 * 1024 * 1024
"""Bytes of a line; a longer one, which is no message of cargo's, comes in several."""

_WORDS = 64 * 1024
"""Bytes of stderr that are kept where nobody hears it."""

_STOPPED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def output(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    failure: str,
    quiet: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
) -> str:
    """What `command` writes to stdout; as `run` does, otherwise.

    quiet      nobody hears its stderr
    meanwhile  called while it runs
    """
    return outputs(command, cwd=cwd, env=env, failure=failure, quiet=quiet, meanwhile=meanwhile)[0]


def outputs(
    *commands: Sequence[str | Path],
    cwd: Path,
    env: Mapping[str, str],
    failure: str,
    quiet: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
) -> list[str]:
    """What each of `commands` writes to stdout; they run at once. As `run` does, otherwise.

    They are questions to one program: what makes one fail makes all fail, so only the first is heard on stderr.
    """
    stderrs = [subprocess.DEVNULL if quiet or at > 0 else _stderr() for at in range(len(commands))]
    with _interruptible(), _started(*zip(commands, stderrs, strict=True), cwd=cwd, env=env) as children:
        meanwhile()
        said = [_whole(child, failure) for child in children]
        codes = [child.wait() for child in children]
    for code in codes:
        _check(code, failure)
    return said


def answer(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], failure: str) -> tuple[int, str, str]:
    """The exit code of `command`, what it writes to stdout, and the beginning of its stderr. Raises as `run`."""
    import tempfile  # here: a build that has nothing to do needs none

    with (
        _interruptible(),
        tempfile.TemporaryFile() as words,
        _started((command, words.fileno()), cwd=cwd, env=env) as [child],
    ):
        said = _whole(child, failure)
        code = child.wait()
        words.seek(0)
        return code, said, words.read(_WORDS).decode("utf-8", "replace")


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
    with _interruptible(), _started((command, _stderr()), cwd=cwd, env=env, keep=keep) as [child]:
        assert child.stdout is not None
        while raw := child.stdout.readline(_LINE):
            line(raw.decode("utf-8", "replace"))
        code = child.wait()
    _check(code, failure)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Keep the signals that come in the block until it has ended."""
    came: list[int] = []
    with _handled(lambda number, _: came.append(number), None):
        yield
    for number in came[:1]:
        signal.raise_signal(number)


def _whole(child: subprocess.Popen[bytes], failure: str) -> str:
    """All that `child` writes to stdout. Raises CargoError for more than an answer would have."""
    assert child.stdout is not None
    raw = child.stdout.read(LIMIT + 1)
    if len(raw) > LIMIT:
        raise CargoError(f"{failure}: it says more than {LIMIT} bytes; it may be another program")
    return raw.decode("utf-8", "replace")


def _check(code: int, failure: str) -> None:
    if code:
        raise CargoError(failure if code > 0 else f"{failure}: {_ended_by(-code)}")


@contextlib.contextmanager
def _started(
    *commands: tuple[Sequence[str | Path], int], cwd: Path, env: Mapping[str, str], keep: Sequence[int] = ()
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Children: what to run, and where its stderr goes. Whatever is raised in the block stops all of them."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        for command, stderr in commands:
            with held():  # or a signal could come when the child is there, and we do not know it yet
                children.append(_start(command, cwd, env, stderr, keep))
        yield children
    except BaseException:
        _stop(children)
        raise
    finally:
        for child in children:
            if child.stdout is not None:
                child.stdout.close()


def _start(
    command: Sequence[str | Path], cwd: Path, env: Mapping[str, str], stderr: int, keep: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=keep,
            # A group of its own: the terminal sends Ctrl-C to krust alone, and krust ends the whole group once. And no
            # terminal: one who asks there for a passphrase, as ssh does, would be stopped in silence, and fails now.
            start_new_session=True,
        )
    except OSError as error:
        fault = f"cannot start '{command[0]}': {system_words(error)}"
        raise ToolchainError(f"{fault}; install Rust (https://rustup.rs), or set CARGO and RUSTC") from error


def _stderr() -> int:
    """Where words go; sys.stderr may be a test's or a redirection, and may have no descriptor."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return 2


def _stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    try:
        for child in children:
            _signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
    finally:  # also when a second Ctrl-C cuts the wait short
        for child in children:
            _signal_group(child, signal.SIGKILL)
        for child in children:
            child.wait()
        # Their children are not ours to wait for, but what they still write would be in the way of whoever cleans up.
        deadline = time.monotonic() + _DYING
        while any(_signal_group(child, 0) for child in children) and time.monotonic() < deadline:
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
    with _handled(_interrupt, {signal.SIG_DFL}):
        yield


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], object], instead_of: Set[object] | None) -> Iterator[None]:
    """Have `handler` take signals, where one of `instead_of` does now; None means any. Ignored ones stay ignored."""
    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers, nor is interrupted
        now = {number: signal.getsignal(number) for number in _STOPPED}
        others = {number: was for number, was in now.items() if was not in (None, signal.SIG_IGN)}
        before = {number: was for number, was in others.items() if instead_of is None or was in instead_of}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ended_by(number: int) -> str:
    try:
        return f"stopped by {signal.Signals(number).name}"
    except ValueError:
        return f"stopped by signal {number}"
