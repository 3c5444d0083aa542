"""Programs that misbehave: scripts that stand in for cargo, git, a credential helper or kubectl on PATH."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.tools import KRUST

FLOOD = 16_000_000  # lines, which are 96 MB

MISDEEDS: dict[str, str] = {
    "dies by SIGKILL": "kill -9 $$",
    "dies by SIGSEGV": "kill -SEGV $$",
    "fails without a word": "exit 3",
    "fails with a code that is none of ours": "exit 255",
    "does nothing": "exit 0",
    "floods stderr and fails": f"yes flood | head -n {FLOOD} >&2; exit 1",
    "floods stderr and does nothing": f"yes flood | head -n {FLOOD} >&2",
    "prints what is no text": r"printf '\377\376\000{\200\n'",
    "prints JSON that breaks off": """printf '{"reason":"compiler-artifact","packages":[{'""",
    "prints JSON of another shape": """echo '{"reason":"compiler-artifact","packages":7,"Username":[],"Secret":{}}'""",
    "prints a number": "echo 7",
    "prints nesting": "head -c 100000 /dev/zero | tr '\\0' '['",
    "prints a line of 40 MB": "head -c 40000000 /dev/zero | tr '\\0' x",
    "prints without end": "exec yes '{}'",
    "closes stdout": "exec >&-; sleep 0.3; exit 0",
    "closes stdin and all else": "exec <&- >&- 2>&-; exit 0",
}
"""What a script does in the place of what it should, as lines of sh."""

HANGS: dict[str, str] = {
    "sleeps": "exec sleep 1000",
    "sleeps in a child": "sleep 1000 & wait",
    "hears no signal": "trap '' INT TERM HUP; while :; do sleep 1; done",
    "has a child that hears no signal": "(trap '' INT TERM HUP; while :; do sleep 1; done) & wait",
}


def misbehaving(path: Path, lines: str, *, when: str = "true", real: str | None = None) -> Path:
    """A program at `path` that does `lines` if the condition `when` holds, else is `real`; it says when it begins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    otherwise = f'exec {real} "$@"' if real else "exit 0"
    path.write_text(f"#!/bin/sh\nif {when}; then\n: >'{path}.began'\n{lines}\nelse\n{otherwise}\nfi\n")
    path.chmod(0o755)
    return path


def began(path: Path) -> bool:
    """Whether the program at `path` has begun to misbehave."""
    return path.with_name(f"{path.name}.began").exists()


@dataclass(frozen=True, slots=True)
class Ended:
    """How krust ended. `said` is the end of what is on stderr, where a program may have said very much."""

    code: int
    out: bytes
    said: str
    seconds: float

    @property
    def fault(self) -> str:
        return self.said.splitlines()[-1] if self.said else ""


def krust(
    *words: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    meanwhile: Callable[[subprocess.Popen[bytes]], None] = lambda process: None,
    seconds: float = 120,
    program: Sequence[str | Path] = (KRUST,),
    **more: object,
) -> Ended:
    """Run krust, do something `meanwhile`, and wait for its end. What it leaves behind fails the test.

    env   added to the environment; with an empty value: taken out of it
    more  for subprocess.Popen
    """
    marker = f"KRUST_FAULT={os.getpid()}-{time.monotonic_ns()}"
    name, _, value = marker.partition("=")
    full = {name: each for name, each in {**os.environ, **(env or {})}.items() if each}
    full |= {name: value, "PYTHONFAULTHANDLER": "1"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, "start_new_session": True, **more}
        start = time.monotonic()
        process = subprocess.Popen([*program, *words], cwd=cwd, env=full, **given)  # type: ignore[call-overload]
        try:
            meanwhile(process)
            process.wait(seconds)
            took = time.monotonic() - start
        except BaseException as error:
            process.send_signal(signal.SIGABRT)  # which says where each thread is
            time.sleep(1)
            err.seek(max(0, err.seek(0, os.SEEK_END) - 5000))
            error.add_note(err.read().decode(errors="replace"))
            raise
        finally:
            process.kill()
            process.wait()
            left = [pid for pid in marked(marker) if pid != process.pid]
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        assert not left, f"left behind: {left}"
        err.seek(max(0, err.seek(0, os.SEEK_END) - 5000))
        out.seek(0)
        return Ended(process.returncode, out.read(1 << 20), err.read().decode(errors="replace"), took)


def marked(marker: str) -> list[int]:
    """Processes with `marker`, NAME=value, in their environment, a moment later: who was killed needs it to go."""
    deadline = time.monotonic() + 2
    while True:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if marker.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def is_fault(ended: Ended, *codes: int) -> None:
    """That it failed with one of `codes` and a line that says why, and that it did not break."""
    assert ended.code in (codes or (1,)), ended
    assert "Traceback" not in ended.said, ended.said
    assert ended.fault.startswith("krust: "), ended
    assert ended.out == b"", ended
