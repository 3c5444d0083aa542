"""Processors that rustc knows by name. Any other name it takes too: it says so somewhere, and compiles for none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from krust.cargo.process import output
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from krust.errors import SettingError

_INDENT = "    "


def check(toolchain: Toolchain, target: Target, cpu: str, directory: Path, env: Mapping[str, str]) -> None:
    """Raises SettingError, with the nearest name, if `cpu` is none of `target`'s."""
    question = f"--print=target-cpus --target={target}"
    failure = f"cannot tell the processors of '{target}': rustc failed; update Rust"
    printed = output([toolchain.rustc, *question.split()], cwd=directory, env=env, failure=failure)
    known = [line.split()[0] for line in printed.splitlines() if line.startswith(_INDENT) and line.strip()]
    if cpu in known:
        return
    from difflib import get_close_matches

    near = get_close_matches(cpu.lower().replace("_", "-"), known, 1)
    then = f"did you mean '{near[0]}'?" if near else f"'rustc {question}' lists them"
    raise SettingError(f"unknown target-cpu '{cpu}' for '{target.platform}': {then}")
