"""Shim: krust as a process whose calls to the file system are counted, noted down, refused, or its last. See shim.c.

It stands between the process and the C library, which is how Python reaches files; what a program asks of the kernel by
itself, and what happens in memory that is mapped, it does not see.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from tests.tools import ROOT, require, run

CHANGING = (
    *("open", "write", "fsync", "truncate", "chmod", "chown", "utime", "setxattr", "flock", "sendfile"),
    *("copy_file_range", "rename", "link", "symlink", "unlink", "mkdir"),
)
"""Calls that change something, or make a change last, or exclude others meanwhile."""

READING = ("open-read", "read")

Fault = int | Literal["kill", "short"]
"""An errno; SIGKILL in place of the call; or less written than was asked."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was done. An inode of 0 is none. `name` is that of an attribute; `data` what was written, or linked to."""

    call: str
    error: int
    folder: int
    path: str
    inode: int
    other_folder: int
    other_path: str
    other_inode: int
    mode: int
    mtime: int
    offset: int
    name: str
    data: bytes

    def __str__(self) -> str:
        return " ".join(filter(None, (self.call, self.path, self.other_path)))


@dataclass(frozen=True, slots=True)
class Done:
    """How the process ended (below 0: by that signal), what it printed, and each call that was counted."""

    code: int
    out: bytes
    err: str
    calls: list[Call]


@dataclass(frozen=True, slots=True)
class Shim:
    library: Path

    @classmethod
    def built(cls, folder: Path) -> Self:
        """Compile it into `folder`. Without a compiler the test is skipped."""
        compiler = shutil.which("cc")
        require(compiler and os.uname().sysname == "Linux", "no C compiler 'cc' on Linux, to build tests/faults/shim")
        library = folder / "shim.so"
        source = Path(__file__).with_name("shim.c")
        flags = ["-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
        run(str(compiler), *flags, "-o", library, source, "-ldl", "-lpthread")
        return cls(library)

    def environment(
        self,
        scope: Path,
        *,
        calls: Sequence[str] = CHANGING,
        log: Path | None = None,
        at: int | None = None,
        onward: bool = False,
        fault: Fault | None = None,
    ) -> dict[str, str]:
        """What to add to the environment of a process.

        scope   calls on what lies below it are meant
        calls   which of them are counted
        at      the number of the call that goes wrong, from 1; 0 for each; `onward`: and all after it
        """
        said = {
            "LD_PRELOAD": self.library,
            "FAULTS_SCOPE": scope,
            "FAULTS_CALLS": " ".join(calls),
            "FAULTS_LOG": log,
            "FAULTS_AT": at,
            "FAULTS_ONWARD": 1 if onward else None,
            "FAULTS_DO": fault,
        }
        return {name: str(value) for name, value in said.items() if value is not None}

    @contextmanager
    def started(self) -> Iterator[Krust]:
        """krust, to be run often: see warm.py."""
        argv = [sys.executable, "-m", "tests.faults.shim.warm"]
        env = {**os.environ, "LD_PRELOAD": str(self.library)}
        with subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            yield Krust(self, process)


@dataclass(frozen=True, slots=True)
class Krust:
    shim: Shim
    process: subprocess.Popen[bytes]

    def run(
        self,
        words: Sequence[str],
        scope: Path,
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes = b"",
        **more: Any,
    ) -> Done:
        """Run `krust WORDS` to its end. `more` is as for `environment`; beside `scope` lies what is kept of the run."""
        log, given, out, err = (scope.with_name(f"{scope.name}.{name}") for name in ("calls", "in", "out", "err"))
        for file, raw in ((log, b""), (given, stdin), (out, b""), (err, b"")):
            file.write_bytes(raw)
        told = {
            **{"argv": words, "cwd": str(cwd), "library": str(self.shim.library)},
            "env": {**os.environ, **env, **self.shim.environment(scope, log=log, **more), "LD_PRELOAD": ""},
            **{"stdin": str(given), "stdout": str(out), "stderr": str(err)},
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(told).encode() + b"\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return Done(code, out.read_bytes(), err.read_text(errors="replace"), list(read_log(log)))


def read_log(log: Path) -> Iterator[Call]:
    """The calls in the order in which they were done."""
    fields = _netstrings(log.read_bytes())
    for call in fields:
        error, folder = int(next(fields)), int(next(fields))
        path, inode = os.fsdecode(next(fields)), int(next(fields))
        other_folder, other_path, other_inode = int(next(fields)), os.fsdecode(next(fields)), int(next(fields))
        mode, mtime, offset = int(next(fields)), int(next(fields)), int(next(fields))
        name = next(fields).decode()
        yield Call(
            call.decode(),
            error,
            folder,
            path,
            inode,
            other_folder,
            other_path,
            other_inode,
            mode,
            mtime,
            offset,
            name,
            next(fields),
        )


def _netstrings(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        colon = raw.index(b":", at)
        end = colon + 1 + int(raw[at:colon])
        assert raw[end : end + 1] == b",", "a log that is cut off"
        yield raw[colon + 1 : end]
        at = end + 1
