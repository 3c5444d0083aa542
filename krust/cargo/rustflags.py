"""rustflags: the user's own, from the one place that counts, and krust's after them.

Cargo takes rustflags from the first of these that has any, and from no other: CARGO_ENCODED_RUSTFLAGS, RUSTFLAGS, those
of the target (by triple and by each cfg(...) that holds), those of [build]. Flags put into one place therefore hide
another. So krust works out which ones cargo would take, adds its own, and hands over the sum in the first place.
Source: the Cargo book, "build.rustflags", and cargo's `env_args` in core/compiler/build_context/target_info.rs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from krust.cargo import cfg
from krust.cargo.metadata import configuration
from krust.cargo.process import output
from krust.cargo.remap import Places, cargo_home, rust_flags
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError

VARIABLE = "CARGO_ENCODED_RUSTFLAGS"
"""The first place that cargo looks at. Any character may be in a flag there, but for the separator."""

_SEPARATOR = "\x1f"

_FILES = ("config.toml", "config")


def of_user(
    toolchain: Toolchain, target: Target, directory: Path, *, env: Mapping[str, str], cargo_args: Sequence[str] = ()
) -> tuple[str, ...]:
    """The flags that cargo would give rustc for `target` if krust were not there, in cargo's order.

    directory   where cargo is run; configuration files count from there upwards, and in CARGO_HOME
    raises      CargoError where cargo cannot read its configuration, and has said why
    """
    if (encoded := env.get(VARIABLE)) is not None:
        return tuple(encoded.split(_SEPARATOR)) if encoded else ()
    if (plain := env.get("RUSTFLAGS")) is not None:
        return _words(plain)
    config = _config(toolchain, directory, env, configuration(cargo_args))
    of_targets = config.get("target", {})
    flags = _flags(of_targets.get(target.triple)) + _words(env.get(f"CARGO_TARGET_{target.variable}_RUSTFLAGS", ""))
    conditions = sorted(key for key in of_targets if key.startswith("cfg("))
    conditional = {key: found for key in conditions if (found := _flags(of_targets[key]))}
    if conditional:
        facts = _facts(toolchain, target, directory, env)
        for condition, found in conditional.items():
            if cfg.holds(condition, facts):
                flags += found
    return flags or _flags(config.get("build")) + _words(env.get("CARGO_BUILD_RUSTFLAGS", ""))


def encode(flags: Sequence[str]) -> str:
    """`flags` as VARIABLE has them."""
    return _SEPARATOR.join(flags)


def krusts(users: Sequence[str], *, sysroot: Path | None, places: Places) -> tuple[str, ...]:
    """What krust adds to the flags of the user: static, position-independent, the same anywhere.

    sysroot  a standard library that krust has built; None for the compiler's own
    """
    flags = ["-Ctarget-feature=+crt-static"]
    if not any("relocation-model" in flag for flag in users):
        # rustc says -static-pie where it makes one, zig's driver drops the word, and what comes out is not a PIE.
        flags.append("-Clink-arg=-pie")
    if sysroot is not None:
        # There is no C library of Rust's own beside a standard library built from source: zig's is linked.
        flags += [f"--sysroot={sysroot}", "-Clink-self-contained=no"]
    return (*flags, *rust_flags(places))


def _config(toolchain: Toolchain, directory: Path, env: Mapping[str, str], arguments: Sequence[str]) -> dict[str, Any]:
    """Cargo's merged configuration, without environment variables; empty, and cargo not asked, where no file is."""
    start = directory.absolute()
    files = [up / ".cargo" / name for up in (start, *start.parents) for name in _FILES]
    files += [cargo_home(env) / name for name in _FILES]
    if not arguments and not any(path.is_file() for path in files):
        return {}
    raw = output(
        # `config get` is unstable, and reading is all that it does; without it krust would need a second cargo here.
        [toolchain.cargo, *arguments, "-Zunstable-options", "config", "get", "--format=json", "--merged=yes"],
        cwd=directory,
        env={**env, "RUSTC_BOOTSTRAP": "1"},
        failure=f"cannot read cargo's configuration for '{directory}'",
    )
    try:
        config = json.loads(raw)
    except ValueError as error:
        raise CargoError(f"cannot understand cargo's configuration for '{directory}': {error}; update Rust") from error
    return config if isinstance(config, dict) else {}


def _facts(toolchain: Toolchain, target: Target, directory: Path, env: Mapping[str, str]) -> frozenset[str]:
    failure = f"cannot tell what cfg holds for '{target}': rustc failed; update Rust"
    printed = output([toolchain.rustc, "--print=cfg", f"--target={target}"], cwd=directory, env=env, failure=failure)
    return frozenset(printed.splitlines())


def _flags(table: object) -> tuple[str, ...]:
    """The rustflags of a table of the configuration: a list, or words in one string."""
    value = table.get("rustflags") if isinstance(table, dict) else None
    if isinstance(value, str):
        return _words(value)
    return tuple(str(flag) for flag in value) if isinstance(value, list) else ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(" ")) if word)
