"""zig as linker and C compiler: the environment that cargo-zigbuild gives cargo, taken once and kept.

cargo-zigbuild needs 0.2 s to start zig, look at it and write wrapper scripts, each time, and then only runs cargo
with variables that name them (linker, CC, CXX, AR, RANLIB, bindgen, CMake). So krust lets it run a stand-in for cargo
that writes down its environment, once per (compiler, versions, target), and calls cargo itself from then on.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from krust.cargo.answers import rustup_home
from krust.cargo.lock import locked
from krust.cargo.process import run
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from krust.errors import ToolchainError
from plumbing.errors import system_words

_FORM = 2
"""Goes up when what is kept, or how cargo-zigbuild is called, changes."""

_STAND_IN = '#!/bin/sh\nexec env -0 > "$KRUST_STAND_IN_OUTPUT"\n'

_LENT = ("PATH", "HOME", "TMPDIR", "SDKROOT", "DEVELOPER_DIR", "ZIG_GLOBAL_CACHE_DIR", "XDG_CACHE_HOME")
"""Variables of the user that cargo-zigbuild is given; no more, as it leaves alone what is set."""

_NOISE = ("KRUST_STAND_IN_OUTPUT", "CARGO", "CARGO_HOME", "PWD", "OLDPWD", "SHLVL", "_")
"""Ours and the shell's, which are no answer of cargo-zigbuild's."""

_OF_ALL = ("CARGO_ZIGBUILD_CACHE_DIR", "CARGO_ZIGBUILD_TARGET")
"""What would have to be one for all targets, and tells of one."""

_INSTALL = "install krust again, with its dependencies: pip install --force-reinstall ziglang cargo-zigbuild"


def environment(
    toolchain: Toolchain, targets: Iterable[Target], *, env: Mapping[str, str], cache: Path
) -> dict[str, str]:
    """Variables that make cargo link and compile C for `targets` by zig; to be put below those of the user.

    What is for one target has its name in it, so those of another change nothing for it.

    cache   krust's own; cargo-zigbuild's wrapper scripts are kept in it, and named in the variables
    raises  ToolchainError if zig or cargo-zigbuild is missing from krust's Python environment, or fails
    """
    variables = {"CARGO_ZIGBUILD_CACHE_DIR": str(cache / "zig" / "work"), **_global_cache(env, cache)}
    for target in targets:
        variables |= _of_target(toolchain, target, env, cache)
    return variables


def compiles_c(target: Target, env: Mapping[str, str]) -> bool:
    """Whether the C compiler for `target` is zig, as far as the variables say: the user has named no other.

    The cc crate takes these two before CC, and `environment` sets the second.
    """
    return not {f"CC_{target}", f"CC_{target.triple.replace('-', '_')}"} & env.keys()


def unlinked(targets: Iterable[Target], *, env: Mapping[str, str], cache: Path) -> list[Target]:
    """Those for which this zig has linked nothing yet: it compiles its runtime for them first."""
    return [
        target
        for target in targets
        if f"CARGO_TARGET_{target.variable}_LINKER" not in env and not _mark(target, env, cache).exists()
    ]


def linked(target: Target, *, env: Mapping[str, str], cache: Path) -> None:
    """Remember that zig has linked for `target`. Where that fails krust says again that it takes its time."""
    mark = _mark(target, env, cache)
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _mark(target: Target, env: Mapping[str, str], cache: Path) -> Path:
    known = {**env, **_global_cache(env, cache)}
    where = [known.get(name) for name in _CACHES]
    return cache / "zig" / "linked" / f"{target}-{_digest(where, *_identity(_zig()))}"


_CACHES = ("ZIG_GLOBAL_CACHE_DIR", "XDG_CACHE_HOME", "HOME")
"""What tells zig where to keep its runtime: the first that is set."""


def _global_cache(env: Mapping[str, str], cache: Path) -> dict[str, str]:
    return {} if any(env.get(name) for name in _CACHES) else {_CACHES[0]: str(cache / "zig" / "cache")}


def _of_target(toolchain: Toolchain, target: Target, env: Mapping[str, str], cache: Path) -> dict[str, str]:
    zigbuild, zig = _zigbuild(), _zig()
    folder = cache / "zig" / _key(toolchain, target, zigbuild, zig)
    kept = folder / "environment.json"
    if (variables := _read(kept)) is not None:
        return variables
    with locked(folder.with_name(f"{folder.name}.lock")):
        if (variables := _read(kept)) is not None:  # another krust was faster
            return variables
        try:
            folder.mkdir(exist_ok=True)
            variables = _record(toolchain, target, zigbuild, zig, env, folder)
            fresh = kept.with_suffix(".tmp")
            fresh.write_text(json.dumps(variables, indent=1))
            fresh.replace(kept)
        except OSError as error:
            fault = f"cannot keep zig's environment in '{folder}': {system_words(error)}"
            raise ToolchainError(f"{fault}; make room") from error
    return variables


def _read(kept: Path) -> dict[str, str] | None:
    """What was kept, if every file that it names is still there."""
    try:
        variables = json.loads(kept.read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        return None
    inside = [value for value in variables.values() if value.startswith(f"{kept.parent}{os.sep}")]
    return variables if inside and all(Path(path).exists() for path in inside) else None


def _record(
    toolchain: Toolchain, target: Target, zigbuild: Path, zig: Path, env: Mapping[str, str], folder: Path
) -> dict[str, str]:
    given = {
        **{name: env[name] for name in _LENT if name in env},
        **_global_cache(env, folder.parent.parent),
        "CARGO_ZIGBUILD_CACHE_DIR": str(folder),
        "CARGO_ZIGBUILD_ZIG_PATH": str(zig),
        "RUSTUP_HOME": str(rustup_home(env)),
        **toolchain.anywhere(),
    }
    from tempfile import TemporaryDirectory  # with random, and what that needs; not on most days

    with TemporaryDirectory(prefix="krust-") as name:
        scratch = Path(name)
        recorded, stand_in = scratch / "environment", scratch / "cargo"
        stand_in.write_text(_STAND_IN)
        stand_in.chmod(0o755)
        # It asks cargo nothing when the target is named, but it does look for a manifest.
        (scratch / "src").mkdir()
        (scratch / "src/main.rs").write_text("fn main() {}\n")
        (scratch / "Cargo.toml").write_text('[package]\nname = "scratch"\nversion = "0.0.0"\nedition = "2021"\n')
        run(
            [zigbuild, "zigbuild", "--target", target.triple],
            cwd=scratch,
            env={
                **given,
                # It looks for a target-cpu in the user's rustflags, which are of another day when this is used.
                "CARGO_HOME": str(scratch),
                "CARGO": str(stand_in),
                "KRUST_STAND_IN_OUTPUT": str(recorded),
            },
            failure=f"cannot prepare zig for '{target}': cargo-zigbuild failed; {_INSTALL}",
            line=lambda _: None,
        )
        pairs = [pair.partition("=") for pair in os.fsdecode(recorded.read_bytes()).split("\0") if pair]
    ours = {*_NOISE, *_OF_ALL, *(name for name in given if not name.startswith("CARGO_ZIGBUILD_"))}
    return {name: value for name, _, value in sorted(pairs) if name not in ours}


def _key(toolchain: Toolchain, target: Target, zigbuild: Path, zig: Path) -> str:
    return f"{target}-{_digest(_FORM, target.triple, toolchain.release, *_identity(zigbuild), *_identity(zig))}"


def _digest(*parts: object) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _identity(program: Path) -> tuple[str, int, int]:
    """Another version, or an environment that has moved, is another file; reading versions would take 20 ms."""
    status = program.stat()
    return str(program), status.st_size, status.st_mtime_ns


def _zigbuild() -> Path:
    if (program := Path(sys.executable).with_name("cargo-zigbuild")).is_file():  # so it is in a virtual environment
        return program
    from importlib.metadata import PackageNotFoundError, files

    try:
        for file in files("cargo-zigbuild") or ():
            if file.name == "cargo-zigbuild" and (program := Path(str(file.locate())).resolve()).is_file():
                return program
    except PackageNotFoundError:
        pass
    raise ToolchainError(f"cannot find 'cargo-zigbuild' in the Python environment of krust; {_INSTALL}")


def _zig() -> Path:
    spec = find_spec("ziglang")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (program := Path(folder) / "zig").is_file():
            return program
    raise ToolchainError(f"cannot find 'ziglang' in the Python environment of krust; {_INSTALL}")
