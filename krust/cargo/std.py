"""The standard library of a target: installed, had from rustup, or built once from its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from krust.errors import ToolchainError


def sysroot(
    toolchain: Toolchain,
    target: Target,
    directory: Path,
    *,
    env: Mapping[str, str],
    cache: Path,
    say: Callable[[str], None],
) -> Path | None:
    """Where rustc finds the standard library of `target`; None if that is where it looks by itself."""
    if toolchain.has(target.triple):
        return None
    raise ToolchainError(f"cannot build for '{target}': no standard library")
