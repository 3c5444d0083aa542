"""The standard library of a target: installed, had from rustup, or built once from its source and kept.

Built means `cargo -Zbuild-std` on an empty package, and its .rlib files put where rustc looks below a --sysroot. That
is unstable, so RUSTC_BOOTSTRAP is set for this one build; programs are then compiled by the compiler as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from krust.cargo import remap, rustflags, zig
from krust.cargo.answers import rustup_home
from krust.cargo.lock import locked
from krust.cargo.messages import FORMAT, Artifact
from krust.cargo.process import output, run
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError, ToolchainError

_FORM = 1
"""Goes up when what is kept is built in another way."""

_BUILD_STD = "-Zbuild-std=std,panic_abort,panic_unwind"

_MANIFEST = """\
[package]
name = "krust-std"
version = "0.0.0"
edition = "2021"

[profile.release]
debug = "line-tables-only"

[workspace]
"""

_DROPPED = ("RUSTFLAGS", rustflags.VARIABLE, "CARGO_INCREMENTAL")
_DROPPED_PREFIXES = ("CARGO_BUILD_", "CARGO_TARGET_", "CARGO_PROFILE_", "CARGO_UNSTABLE_")
"""Variables that would make the library another one for this user; it is kept for whatever is built later."""


def sysroot(
    toolchain: Toolchain,
    target: Target,
    directory: Path,
    *,
    env: Mapping[str, str],
    cache: Path,
    say: Callable[[str], None],
) -> Path | None:
    """Where rustc finds the standard library of `target`: a path for --sysroot, None if rustc looks there by itself.

    What is missing is had from rustup, or built from source, which takes minutes, once per compiler and target. A
    library that is being built is not seen before it is whole, and no two processes build it.

    raises  ToolchainError where there is no way, with the commands that would make one; CargoError if the build fails
    """
    if toolchain.has(target.triple):
        return None
    kept = cache / "std" / _key(toolchain, target)
    if kept.is_dir():
        return kept
    rustup = _Rustup.of(toolchain, directory, env)
    if rustup and rustup.add_target(target, cache, say) and toolchain.has(target.triple):
        return None
    if not _has_source(toolchain) and rustup:
        rustup.add_source(cache, say)
    if not _has_source(toolchain):
        fault = f"cannot build for '{target}': no standard library for it with {toolchain}"
        raise ToolchainError(f"{fault}; {_ways(target, rustup)}")
    its = f"the standard library of {target}"
    with locked(
        kept.with_name(f"{kept.name}.lock"), waiting=lambda: say(f"waiting for another krust, which builds {its}")
    ) as lock:
        if not kept.is_dir():
            say(f"building {its} from source: one or two minutes, once for rustc {toolchain.release}")
            _build(toolchain, target, kept, lock, env, cache)
    return kept


def _key(toolchain: Toolchain, target: Target) -> str:
    """rustc takes libraries of the very same version only, and compares what `rustc --version` says."""
    return f"{target.triple}-{toolchain.release}-{sha256(f'{_FORM} {toolchain.version}'.encode()).hexdigest()[:12]}"


def _has_source(toolchain: Toolchain) -> bool:
    return (toolchain.source / "library/std/Cargo.toml").is_file()


def _ways(target: Target, rustup: _Rustup | None) -> str:
    if rustup:
        commands = (f"rustup target add {target}", "rustup component add rust-src")
        return f"try '{commands[0]}', or '{commands[1]}' to let krust build it, and look at what rustup says"
    debian = "on Debian 'apt-get install rust-src', or rust-web-src beside rustc-web"
    return f"install the source of its standard library ({debian}), or use a compiler of rustup (https://rustup.rs)"


def _build(toolchain: Toolchain, target: Target, kept: Path, lock: int, env: Mapping[str, str], cache: Path) -> None:
    """Build in a folder beside `kept`, and rename. The child has the lock too: if we are killed, it may live on."""
    linker = zig.environment(toolchain, target, env=env, cache=cache)
    work = kept.with_name(f"{kept.name}.tmp")
    try:
        shutil.rmtree(work, ignore_errors=True)  # of one that was killed; whoever wrote there has let go of the lock
        package = work / "package"
        (package / "src").mkdir(parents=True)
        (package / "src/lib.rs").write_text("#![no_std]\n")
        (package / "Cargo.toml").write_text(_MANIFEST)
        libraries = _compile(toolchain, target, package, lock, {**linker, **_plain(env)}, env)
        folder = work / "sysroot/lib/rustlib" / target.triple / "lib"
        folder.mkdir(parents=True)
        for library in libraries:
            shutil.copy2(library, folder)
        (work / "sysroot").rename(kept)
    except OSError as error:
        fault = f"cannot keep the standard library of '{target}' in '{kept.parent}': {error.strerror}"
        raise ToolchainError(f"{fault}; make room, or name another cache directory") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _compile(
    toolchain: Toolchain, target: Target, package: Path, lock: int, variables: Mapping[str, str], env: Mapping[str, str]
) -> list[Path]:
    """The .rlib files that cargo makes of the standard library, as it names them."""
    places = remap.places(toolchain, package, env)
    flags = ("-Clink-self-contained=no", "-Ctarget-feature=+crt-static", *remap.rust_flags(places))
    output_to = package / "target"
    found: list[Path] = []

    def line(text: str) -> None:
        if (artifact := Artifact.parse(text)) and artifact.name != "krust_std":
            found.extend(file for file in artifact.files if file.suffix == ".rlib")

    run(
        [toolchain.cargo, "build", _BUILD_STD, "--release", f"--target={target}", f"--target-dir={output_to}", FORMAT],
        cwd=package,
        env={
            **variables,
            **toolchain.anywhere(),
            "RUSTC_BOOTSTRAP": "1",
            # None, whatever the configuration says: a server that it starts would hold the lock as long as it lives.
            "RUSTC_WRAPPER": "",
            "RUSTC_WORKSPACE_WRAPPER": "",
            rustflags.VARIABLE: rustflags.encode(flags),
        },
        failure=f"cannot build the standard library of '{target}': cargo failed, and has said why above",
        line=line,
        keep=(lock,),
    )
    if not any(path.name.startswith("libstd-") for path in found):
        raise CargoError(f"cannot build the standard library of '{target}': cargo named no library; update Rust")
    return found


def _plain(env: Mapping[str, str]) -> dict[str, str]:
    dropped = {name for name in env if name in _DROPPED or name.startswith(_DROPPED_PREFIXES)}
    return {name: value for name, value in env.items() if name not in dropped}


class _Rustup:
    """rustup, where the toolchain is one of its own. What it does is told first, and done by one krust at a time."""

    def __init__(self, program: Path, name: str, directory: Path, env: Mapping[str, str]) -> None:
        self._program, self._name, self._directory, self._env = program, name, directory, env

    @classmethod
    def of(cls, toolchain: Toolchain, directory: Path, env: Mapping[str, str]) -> _Rustup | None:
        home = rustup_home(env)
        program = shutil.which("rustup", path=env.get("PATH", ""))
        if program is None or toolchain.sysroot.parent.resolve() != (home / "toolchains").resolve():
            return None
        return cls(Path(program), toolchain.sysroot.name, directory, env)

    def add_target(self, target: Target, cache: Path, say: Callable[[str], None]) -> bool:
        """Whether rustup has the standard library of `target`, and has installed it."""
        if target.triple not in self._ask("target", "list").split():
            return False
        return self._add("target", target.triple, cache, say)

    def add_source(self, cache: Path, say: Callable[[str], None]) -> bool:
        return self._add("component", "rust-src", cache, say)

    def _add(self, kind: str, what: str, cache: Path, say: Callable[[str], None]) -> bool:
        with locked(cache / "std" / "rustup.lock"):
            say(f"running 'rustup {kind} add {what} --toolchain {self._name}'")
            try:
                self._ask(kind, "add", what)
            except CargoError:
                return False  # its words are on stderr; there is another way, or an error that names this one
        return True

    def _ask(self, *words: str) -> str:
        failure = f"cannot run 'rustup {' '.join(words)}': it failed, and has said why above"
        command = [str(self._program), *words, "--toolchain", self._name]
        return output(command, cwd=self._directory, env=self._env, failure=failure)
