"""cargo alone: the very call that krust made, with the same words and environment. It is what no krust could beat."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.timing import Run, timed
from tests.tools import run

# It stands before the real cargo, writes down how it was called, and becomes it.
_RECORDER = """\
#!{python} -SE
import json, os, sys
if sys.argv[1:2] == ["build"]:
    with open({log!r}, "w") as file:
        json.dump([sys.argv[1:], dict(os.environ), os.getcwd()], file)
os.execv({cargo!r}, [{cargo!r}, *sys.argv[1:]])
"""


@dataclass(frozen=True, slots=True)
class Call:
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path

    def timed(self) -> Run:
        return timed(*self.argv, cwd=self.cwd, env=self.env)


def program() -> str:
    """The cargo that krust calls."""
    path = shutil.which(os.environ.get("CARGO", "cargo"))
    if path is None:
        raise FileNotFoundError("no cargo on PATH")
    return path


def recorded(folder: Path, *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Call:
    """Run a krust `command`, and return the last `cargo build` that it called.

    folder  for the recorder
    env     added to the environment
    """
    folder.mkdir(parents=True, exist_ok=True)
    recorder, log = folder / "cargo", folder / "recorded.json"
    recorder.write_text(_RECORDER.format(python=sys.executable, log=str(log), cargo=program()))
    recorder.chmod(0o755)
    run(*command, cwd=cwd, env={**(env or {}), "CARGO": str(recorder)})
    words, env, where = json.loads(log.read_text())
    return Call((program(), *words), {**env, "CARGO": program()}, Path(where))
