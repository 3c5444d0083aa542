"""kubectl: gets what was resolved. krust becomes it, so its output, its exit code and its signals are its own.

Where krust has more to ask of it than one thing, it is a program that is called.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from krust.errors import EngineError, ProgramMissing
from plumbing.errors import system_words

_NAME = "kubectl"
_MOMENT = 2.0
"""Seconds that it has to end, once it is not needed any more."""


def find(env: Mapping[str, str]) -> str:
    """The path of kubectl. Raises ProgramMissing."""
    path = shutil.which(_NAME, path=env.get("PATH", os.defpath))
    if path is None:
        where = "https://kubernetes.io/docs/tasks/tools/"
        raise ProgramMissing(f"cannot find '{_NAME}' on PATH; get it from {where}, or 'krust resolve' without it")
    return path


def become(path: str, words: Sequence[str], *, standard_input: BinaryIO, env: Mapping[str, str]) -> NoReturn:
    """Put kubectl, with `words` and `standard_input`, in the place of this process. Raises ProgramMissing.

    standard_input  a file, read from its start, not a pipe: nobody is left who would write
    """
    sys.stdout.flush()
    sys.stderr.flush()
    standard_input.flush()
    standard_input.seek(0)
    os.dup2(standard_input.fileno(), 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored stays so in another program
    try:
        os.execvpe(path, [_NAME, *words], dict(env))  # noqa: S606  (a shell would only be in between)
    except OSError as error:
        raise ProgramMissing(f"cannot start '{path}': {system_words(error)}; install it again") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """The program at `path`, with `words` such as `--context=test` in each of its calls."""

    path: str
    words: Sequence[str]
    env: Mapping[str, str]

    def __call__(self, *words: str, standard_input: bytes = b"") -> str:
        """What `kubectl WORDS` prints. Raises EngineError; what kubectl said of it is on stderr by then."""
        command = [self.path, *words, *self.words]
        done = subprocess.run(command, env=self.env, input=standard_input, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise EngineError(f"cannot go on: 'kubectl {words[0]}' has said why")
        return done.stdout.decode()

    def quietly(self, *words: str, seconds: float) -> bool:
        """Call it, for at most `seconds`; whether it ended well. An interrupt of the terminal does not reach it."""
        process = subprocess.Popen(
            [self.path, *words, *self.words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.returncode is None:  # not waited for, so the number is still its own
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def started(self, *words: str, reads: bool = False, says: bool = False, told: bool = False) -> Running:
        """Begin a call that goes on. Its stdout comes to us if it is `told`, else to nobody, unless it `says` it.

        reads  whether it has our standard input
        says   whether our stdout and stderr are its own
        """
        process = subprocess.Popen(
            [self.path, *words, *self.words],
            env=self.env,
            stdin=None if reads else subprocess.DEVNULL,
            stdout=subprocess.PIPE if told else None if says else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if reads else None,
        )
        return Running(process)


class Running:
    """A call of kubectl that goes on, for the time of a block."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        if self.wait(_MOMENT) is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def read(self) -> bytes:
        """Some of what it says, as soon as there is any; nothing at its end."""
        assert self._process.stdout is not None
        return os.read(self._process.stdout.fileno(), 1 << 16)

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code; None if it has not ended by then."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
