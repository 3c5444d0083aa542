"""What rustc has answered, kept where rustup answers for it: its proxies need 30 ms, which is much of a no-op build.

Which rustc a proxy runs is decided by files and variables, so the answers are kept under all of these, with their sizes
and times: the proxy, rustup's settings, each rust-toolchain.toml upwards. Whether the answers still hold is told by the
toolchain's own files. Any other rustc is asked each time; it is quicker, and may be a script that decides by anything.
Source: the rustup book, "Overrides".
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_FORM = 1
"""Goes up when what is kept changes."""

_OVERRIDES = ("rust-toolchain.toml", "rust-toolchain")

_OWN = ("bin/rustc", "lib/rustlib/components", "lib/rustlib/multirust-channel-manifest.toml")
"""Files of a toolchain that an update replaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What `rustc -vV` and `rustc --print=sysroot` print."""

    version: str
    sysroot: str


def place(rustc: Path, directory: Path, env: Mapping[str, str], cache: Path) -> Path | None:
    """Where the answers of `rustc` in `directory` are kept; None if it is no proxy of rustup's."""
    if not is_rustups(rustc):
        return None
    start = directory.absolute()
    files = [rustc, rustup_home(env) / "settings.toml", Path("/etc/rustup/settings.toml")]
    files += [folder / name for folder in (start, *start.parents) for name in _OVERRIDES]
    variables = sorted((name, value) for name, value in env.items() if name.startswith("RUSTUP_"))
    decided_by = [_FORM, [_state(file) for file in files], variables, str(start)]
    return cache / "toolchain" / f"{sha256(json.dumps(decided_by).encode()).hexdigest()[:24]}.json"


def is_rustups(program: Path) -> bool:
    """Whether `program` is a proxy of rustup's, which runs the one of the toolchain that counts."""
    return program.resolve().name in ("rustup", "rustup-init")


def read(kept: Path) -> Answers | None:
    """The answers in `kept`, if the toolchain is still the one that gave them."""
    try:
        found = json.loads(kept.read_bytes())
        answers = Answers(version=str(found["version"]), sysroot=str(found["sysroot"]))
        return answers if found["state"] == _states(answers) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write(kept: Path, answers: Answers) -> None:
    """Keep `answers`, whole or not at all. Where that fails they are asked for again, which is no fault."""
    found = {"version": answers.version, "sysroot": answers.sysroot, "state": _states(answers)}
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(found))
        fresh.replace(kept)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()


def rustup_home(env: Mapping[str, str]) -> Path:
    """Where rustup keeps its settings and toolchains."""
    if chosen := env.get("RUSTUP_HOME"):
        return Path(chosen).absolute()
    return (Path(env["HOME"]) if env.get("HOME") else Path.home()) / ".rustup"


def _states(answers: Answers) -> list[list[object]]:
    return [_state(Path(answers.sysroot) / name) for name in _OWN]


def _state(file: Path) -> list[object]:
    try:
        status = file.stat()
    except OSError:
        return [str(file), None, None]
    return [str(file), status.st_size, status.st_mtime_ns]
