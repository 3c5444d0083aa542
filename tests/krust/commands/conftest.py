"""Projects and stores of their own for the porcelain's tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.krust.commands.engine import Engine, docker_engine
from tests.tools import EXAMPLES, KRUST, require_tool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a krust process ended, and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def fault(self) -> str:
        """The last line for people."""
        return self.stderr.splitlines()[-1]


Krust = Callable[..., Outcome]

_MAIN = """
use std::io::Read;
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    println!("{}", words.join("|"));
    if words == ["wait"] {
        loop { std::thread::sleep(std::time::Duration::from_secs(1)); }
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    eprint!("{text}");
    std::process::exit(words.len() as i32);
}
"""

ECHO = {"Cargo.toml": '[package]\nname = "echo"\nversion = "1.2.3"\nedition = "2021"\n', "src/main.rs": _MAIN}
"""A program that says its arguments and its standard input, and ends with the count of the former, or waits."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A docker engine, which those who ask for it share."""
    with docker_engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """A copy of examples/hello-krust, with nothing built."""
    ignore = shutil.ignore_patterns("target", ".krust")
    return Path(shutil.copytree(EXAMPLES / "hello-krust", tmp_path / "hello-krust", ignore=ignore))


@pytest.fixture
def krust(tmp_path: Path) -> Krust:
    """Run krust in a process of its own, in `tmp_path` if no other `cwd` is named, however it ends."""
    require_tool(os.environ.get("CARGO", "cargo"))

    def krust(*arguments: str | Path, cwd: Path = tmp_path, env: Mapping[str, str] | None = None) -> Outcome:
        done = subprocess.run(
            [KRUST, *arguments], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    return krust


@dataclass(frozen=True, slots=True)
class Cargo:
    """A cargo that writes down what it is asked, and then is the real one."""

    path: Path
    log: Path

    @property
    def env(self) -> dict[str, str]:
        return {"CARGO": str(self.path)}

    @property
    def builds(self) -> list[list[str]]:
        """The words of each `cargo build`."""
        calls = [line.split("\x1f") for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return [words for words in calls if words[0] == "build"]


@pytest.fixture
def cargo(tmp_path: Path) -> Cargo:
    real = require_tool(os.environ.get("CARGO", "cargo"))
    script, log = tmp_path / "recording-cargo", tmp_path / "calls"
    words = """all=$1; first=$1; shift; for word; do all=$all$(printf '\\037')$word; done"""
    script.write_text(f"""#!/bin/sh\n({words}; printf '%s\\n' "$all" >>'{log}')\nexec '{real}' "$@"\n""")
    script.chmod(0o755)
    return Cargo(script, log)


def clean(store: Path) -> bool:
    """Whether `krust verify` would find nothing, with every byte read."""
    return fsck(Store.open(store)).problems == ()


def write_project(folder: Path, files: Mapping[str, str]) -> Path:
    """Write `files`, by path and text, below `folder`; return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
