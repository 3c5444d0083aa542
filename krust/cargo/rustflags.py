"""rustflags: the user's own, from the one place that counts, and krust's after them.

Cargo takes rustflags from the first of these that has any, and from no other: CARGO_ENCODED_RUSTFLAGS, RUSTFLAGS, those
of the target (by triple and by each cfg(...) that holds), those of [build]. Flags put into one place therefore hide
another. So krust works out which ones cargo would take, and hands its own over as one more `--config` for the target's
triple, with what that would hide before them: each target has its own flags then, and one call of cargo does for all.
Source: the Cargo book, "build.rustflags", and cargo's `env_args` in core/compiler/build_context/target_info.rs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from krust.cargo import cfg
from krust.cargo.metadata import configuration
from krust.cargo.process import output
from krust.cargo.remap import Places, cargo_home, rust_flags
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError, SettingError

VARIABLE = "CARGO_ENCODED_RUSTFLAGS"
"""The first place that cargo looks at. Any character may be in a flag there, but for the separator."""

PLAIN = "RUSTFLAGS"
"""The second one: words."""

_SEPARATOR = "\x1f"

_FILES = ("config.toml", "config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """What cargo would give rustc for one target if krust were not there, in cargo's order.

    carried  those that krust has to say again, or its own would hide them; the others arrive by themselves
    text     the triple's table has one string, which no list can be added to: krust says a string in its place
    hidden   the environment hides flags of the target's tables, which would come to light if krust emptied it
    """

    flags: tuple[str, ...]
    carried: tuple[str, ...]
    text: bool = False
    hidden: bool = False


def of_user(
    toolchain: Toolchain,
    targets: Iterable[Target],
    directory: Path,
    *,
    env: Mapping[str, str],
    cargo_args: Sequence[str] = (),
) -> dict[Target, Users]:
    """The user's flags for each of `targets`.

    directory   where cargo is run; configuration files count from there upwards, and in CARGO_HOME
    raises      CargoError where cargo cannot read its configuration, and has said why
    """
    config = _config(toolchain, directory, env, configuration(cargo_args))
    return {target: _of_target(toolchain, target, directory, env, config) for target in targets}


def _of_target(
    toolchain: Toolchain, target: Target, directory: Path, env: Mapping[str, str], config: Mapping[str, Any]
) -> Users:
    tables = _table(config.get("target"))
    text = isinstance(_rustflags(tables.get(target.triple)), str)
    triples = _flags(tables.get(target.triple))
    others = _words(env.get(f"CARGO_TARGET_{target.variable}_RUSTFLAGS", ""))
    conditional = {key: found for key in sorted(tables) if key.startswith("cfg(") and (found := _flags(tables[key]))}
    if conditional:
        facts = _facts(toolchain, target, directory, env)
        for condition, found in conditional.items():
            if cfg.holds(condition, facts):
                others += found
    if (first := _of_environment(env)) is not None:
        return Users(flags=first, carried=first, text=text, hidden=bool(triples or others))
    if flags := triples + others:
        return Users(flags=flags, carried=triples if text else (), text=text)
    last = _flags(config.get("build")) + _words(env.get("CARGO_BUILD_RUSTFLAGS", ""))
    return Users(flags=last, carried=last, text=text)


def _of_environment(env: Mapping[str, str]) -> tuple[str, ...] | None:
    if (encoded := env.get(VARIABLE)) is not None:
        return tuple(encoded.split(_SEPARATOR)) if encoded else ()
    return _words(env[PLAIN]) if PLAIN in env else None


def encode(flags: Sequence[str]) -> str:
    """`flags` as VARIABLE has them."""
    return _SEPARATOR.join(flags)


def argument(target: Target, users: Users, ours: Sequence[str]) -> str:
    """An argument of cargo that adds `ours` to the flags of the user for `target`; the last on its line.

    What is in VARIABLE and PLAIN is in it, so they are to be taken out of the environment.
    Raises SettingError where the user's flags are one string, and ours would fall into pieces in it.
    """
    flags = (*users.carried, *ours)
    if users.text and (broken := [flag for flag in flags if len(flag.split()) != 1]):
        fault = f"the rustflags of '{target}' are one string, and '{broken[0]}' has a space"
        raise SettingError(f"cannot add to cargo's configuration: {fault}; make them a list there")
    return f"--config=target.{target}.rustflags={_toml(' '.join(flags) if users.text else flags)}"


def _toml(value: object) -> str:
    """Texts and lists of them: those of JSON are TOML's, but for one character that has to be escaped there."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def krusts(
    users: Sequence[str], *, sysroot: Path | None, places: Places, cpu: str | None = None, dynamic: bool = False
) -> tuple[str, ...]:
    """What krust adds to the flags of the user: static, position-independent, the same anywhere.

    sysroot  a standard library that krust has built; None for the compiler's own
    cpu      the least processor that the program needs, as `rustc --print=target-cpus` calls it
    dynamic  leave it to the user and to rustc, which makes static programs for musl, whether it is static
    raises   SettingError for a cpu where the user's flags have one too: which one counts would depend on where it is
    """
    flags = [] if dynamic else ["-Ctarget-feature=+crt-static"]
    if cpu is not None:
        if any("target-cpu" in flag for flag in users):
            fault = "rustflags of cargo's configuration or environment have one too"
            raise SettingError(f"cannot set target-cpu to '{cpu}': {fault}; remove one of the two")
        flags.append(f"-Ctarget-cpu={cpu}")
    if is_position_independent(users):
        # rustc says -static-pie where it makes one, zig's driver drops the word, and what comes out is not a PIE.
        flags.append("-Clink-arg=-pie")
    if sysroot is not None:
        # There is no C library of Rust's own beside a standard library built from source: zig's is linked.
        flags += [f"--sysroot={sysroot}", "-Clink-self-contained=no"]
    return (*flags, *rust_flags(places))


def is_position_independent(users: Sequence[str]) -> bool:
    """Whether the user leaves it to krust, which makes programs so."""
    return not any("relocation-model" in flag for flag in users)


def _config(toolchain: Toolchain, directory: Path, env: Mapping[str, str], arguments: Sequence[str]) -> dict[str, Any]:
    """Cargo's merged configuration, without environment variables; empty, and cargo not asked, where no file is."""
    start = directory.absolute()
    files = [up / ".cargo" / name for up in (start, *start.parents) for name in _FILES]
    files += [cargo_home(env) / name for name in _FILES]
    if not arguments and not any(path.is_file() for path in files):
        return {}
    # `config get` is unstable, and reading is all that it does; without it krust would need a second cargo here.
    question: list[str | Path] = [
        toolchain.cargo,
        *arguments,
        "-Zunstable-options",
        "config",
        "get",
        "--format=json",
        "--merged=yes",
    ]
    failure = f"cannot read cargo's configuration for '{directory}'"

    def ask(*, quiet: bool) -> str:
        return output(question, cwd=directory, env={**env, "RUSTC_BOOTSTRAP": "1"}, failure=failure, quiet=quiet)

    try:
        raw = ask(quiet=True)  # it has a note on stderr for each variable of the environment
    except CargoError:
        raw = ask(quiet=False)  # fails again, for its words
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
    value = _rustflags(table)
    if isinstance(value, str):
        return _words(value)
    return tuple(str(flag) for flag in value) if isinstance(value, list) else ()


def _rustflags(table: object) -> object:
    return _table(table).get("rustflags")


def _table(value: object) -> Mapping[str, Any]:
    """What is no table is cargo's to refuse, when it builds."""
    return value if isinstance(value, dict) else {}


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(" ")) if word)
