"""The standard library of a target: installed, had from rustup, or built once from its source and kept.

Built means `cargo -Zbuild-std` on an empty package, and its .rlib files put where rustc looks below a --sysroot. That
is unstable, so RUSTC_BOOTSTRAP is set for this one build; programs are then compiled by the compiler as it is.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal

from krust.cargo import remap, rustflags, zig
from krust.cargo.answers import rustup_home
from krust.cargo.lock import Busy, locked
from krust.cargo.messages import FORMAT, Artifact
from krust.cargo.process import output, run
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError, ToolchainError
from plumbing.errors import system_words

_FORM = 1
"""Goes up when what is kept is built in another way."""

_BUILD_STD = "-Zbuild-std=std,panic_abort,panic_unwind"

_WORK = ".tmp"
"""What is put after the name of the folder in which the first of the libraries, and all others, are built."""

_AT_ONCE = 2
"""Libraries in one call of cargo. It works on all that are in a call, so with more an interrupt would lose them all."""

Way = Literal["installed", "built", "rustup", "source", "none"]
"""With the compiler, by krust before; the next build gets it from rustup, or builds it from source; nothing does."""

_OWN = "krust_std"
"""What cargo calls the package that is built for the sake of its dependencies. It is a static library, as that waits
for all of them: a Rust library begins, and may end, when their metadata are there."""

_MANIFEST = """\
[package]
name = "krust-std"
version = "0.0.0"
edition = "2021"

[lib]
crate-type = ["staticlib"]

[profile.release]
debug = "line-tables-only"

[workspace]
"""

_DROPPED = ("RUSTFLAGS", rustflags.VARIABLE, "CARGO_INCREMENTAL")
_DROPPED_PREFIXES = ("CARGO_BUILD_", "CARGO_TARGET_", "CARGO_PROFILE_", "CARGO_UNSTABLE_")
"""Variables that would make the library another one for this user; it is kept for whatever is built later."""


def sysroots(
    toolchain: Toolchain,
    targets: Iterable[Target],
    directory: Path,
    *,
    env: Mapping[str, str],
    cache: Path,
    say: Callable[[str], None],
) -> dict[Target, Path | None]:
    """Where rustc finds the standard library of each target: a path for --sysroot, None if it looks there by itself.

    What is missing is had from rustup, or built from source, which takes minutes, once per compiler and target. A
    library that is being built is not seen before it is whole, and no two processes build it.

    directory  where rustup is run, so that rust-toolchain.toml counts
    raises     ToolchainError where there is no way, with the commands that would make one; CargoError if the build
               fails. What was whole by then is kept.
    """
    wanted = tuple(dict.fromkeys(targets))
    if missing := _missing(toolchain, wanted, cache):
        rustup = _Rustup.of(toolchain, directory, env)
        if rustup:
            rustup.add_targets(missing, cache, say)
            missing = _missing(toolchain, missing, cache)
        if missing and rustup and not has_source(toolchain):
            rustup.add_source(cache, say)
        if missing and not has_source(toolchain):
            fault = f"cannot build for '{missing[0]}': no standard library for it with {toolchain}"
            raise ToolchainError(f"{fault}; {_ways(missing[0], rustup)}")
        if missing:
            _build_missing(toolchain, missing, env, cache, say)
    return {target: None if toolchain.has(target.triple) else place(toolchain, target, cache) for target in wanted}


def ways(
    toolchain: Toolchain, targets: Iterable[Target], directory: Path, *, env: Mapping[str, str], cache: Path
) -> dict[Target, Way]:
    """How `sysroots` would get each of them. Nothing is changed by asking."""
    rustup = _Rustup.of(toolchain, directory, env)
    known = rustup.targets() if rustup else ()
    found: dict[Target, Way] = {}
    for target in targets:
        if toolchain.has(target.triple):
            found[target] = "installed"
        elif place(toolchain, target, cache).is_dir():
            found[target] = "built"
        elif target.triple in known:
            found[target] = "rustup"
        else:
            found[target] = "source" if rustup or has_source(toolchain) else "none"
    return found


def remedy(toolchain: Toolchain, target: Target, directory: Path, env: Mapping[str, str]) -> str:
    """What a person may do so that `target` has a standard library."""
    return _ways(target, _Rustup.of(toolchain, directory, env))


def place(toolchain: Toolchain, target: Target, cache: Path) -> Path:
    """Where a standard library that krust has built is kept, if it has."""
    return cache / "std" / _key(toolchain, target)


def _missing(toolchain: Toolchain, targets: Sequence[Target], cache: Path) -> list[Target]:
    return [each for each in targets if not (toolchain.has(each.triple) or place(toolchain, each, cache).is_dir())]


def _build_missing(
    toolchain: Toolchain, targets: Sequence[Target], env: Mapping[str, str], cache: Path, say: Callable[[str], None]
) -> None:
    """Build what is still missing once nobody else builds any of it."""
    _sweep(cache)
    with contextlib.ExitStack() as stack:
        locks = [
            # In one order for all processes, or two could wait for each other.
            stack.enter_context(locked(_lock(place(toolchain, target, cache)), waiting=partial(say, _waiting(target))))
            for target in sorted(targets, key=str)
        ]
        if left := _missing(toolchain, targets, cache):
            its = f"the standard library of {', '.join(map(str, left))}"
            minutes = "one or two minutes" + (" each" if len(left) > 1 else "")
            say(f"building {its} from source: {minutes}, once for rustc {toolchain.release}")
            _build(toolchain, left, locks, env, cache)


def _sweep(cache: Path) -> None:
    """Remove what killed processes have left. Whoever is at work has the lock of the first of what is built."""
    for work in (cache / "std").glob(f"*{_WORK}"):
        with contextlib.suppress(Busy), locked(_lock(work.with_name(work.name.removesuffix(_WORK))), wait=False):
            shutil.rmtree(work, ignore_errors=True)


def _lock(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.lock")


def _waiting(target: Target) -> str:
    return f"waiting for another krust, which builds the standard library of {target}"


def _key(toolchain: Toolchain, target: Target) -> str:
    """rustc takes libraries of the very same version only, and compares what `rustc --version` says."""
    return f"{target.triple}-{toolchain.release}-{sha256(f'{_FORM} {toolchain.version}'.encode()).hexdigest()[:12]}"


def has_source(toolchain: Toolchain) -> bool:
    """Whether the source of the standard library is installed."""
    return (toolchain.source / "library/std/Cargo.toml").is_file()


def _ways(target: Target, rustup: _Rustup | None) -> str:
    if rustup:
        commands = (f"rustup target add {target}", "rustup component add rust-src")
        return f"try '{commands[0]}', or '{commands[1]}' to let krust build it, and look at what rustup says"
    debian = "on Debian 'apt-get install rust-src', or rust-web-src beside rustc-web"
    return f"install the source of its standard library ({debian}), or use a compiler of rustup (https://rustup.rs)"


def _build(
    toolchain: Toolchain, targets: Sequence[Target], locks: Sequence[int], env: Mapping[str, str], cache: Path
) -> None:
    """Build in a folder beside the one that is kept, and rename each library to its place as soon as it is whole.

    The child has the locks too: if we are killed, it may live on.
    """
    linkers = zig.environment(toolchain, targets, env=env, cache=cache)
    first = place(toolchain, targets[0], cache)
    work = first.with_name(f"{first.name}{_WORK}")
    try:
        package = work / "package"
        (package / "src").mkdir(parents=True)
        (package / "src/lib.rs").touch()
        (package / "Cargo.toml").write_text(_MANIFEST)

        def whole(target: Target, libraries: Sequence[Path]) -> None:
            sysroot = work / target.triple
            folder = sysroot / "lib/rustlib" / target.triple / "lib"
            folder.mkdir(parents=True)
            for library in libraries:
                shutil.copy2(library, folder)
            if not any(library.name.startswith("libstd-") for library in libraries):
                raise CargoError(f"cannot build the standard library of '{target}': cargo named none; update Rust")
            sysroot.rename(place(toolchain, target, cache))

        for at in range(0, len(targets), _AT_ONCE):
            _compile(toolchain, targets[at : at + _AT_ONCE], package, locks, {**linkers, **_plain(env)}, env, whole)
    except OSError as error:
        fault = f"cannot keep the standard library of '{targets[0]}' in '{first.parent}': {system_words(error)}"
        raise ToolchainError(f"{fault}; make room, or name another cache directory") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _compile(
    toolchain: Toolchain,
    targets: Sequence[Target],
    package: Path,
    locks: Sequence[int],
    variables: Mapping[str, str],
    env: Mapping[str, str],
    whole: Callable[[Target, Sequence[Path]], None],
) -> None:
    """Have cargo build; `whole` takes the .rlib files that cargo names for a target, once all of them are there."""
    places = remap.places(toolchain, package, env)
    flags = ("-Clink-self-contained=no", "-Ctarget-feature=+crt-static", *remap.rust_flags(places))
    found: dict[Target, list[Path]] = {target: [] for target in targets}

    def line(text: str) -> None:
        if not (artifact := Artifact.parse(text)):
            return
        for file in artifact.files:
            target = next((each for each in found if file.is_relative_to(package / "target" / each.triple)), None)
            if target is None:
                continue  # a program of this machine, such as a build script
            if artifact.name == _OWN:
                whole(target, found.pop(target))
            elif file.suffix == ".rlib":
                found[target].append(file)

    command: list[str | Path] = [toolchain.cargo, "build", _BUILD_STD, "--release", FORMAT]
    command += [f"--target={target}" for target in targets]
    names = ", ".join(map(str, targets))
    run(
        [*command, f"--target-dir={package / 'target'}"],
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
        failure=f"cannot build the standard library of '{names}': cargo failed, and has said why above",
        line=line,
        keep=locks,
    )
    if found:
        raise CargoError(f"cannot build the standard library of '{next(iter(found))}': cargo named none; update Rust")


def _plain(env: Mapping[str, str]) -> dict[str, str]:
    dropped = {name for name in env if name in _DROPPED or name.startswith(_DROPPED_PREFIXES)}
    return {name: value for name, value in env.items() if name not in dropped}


class _Rustup:
    """rustup, where the toolchain is one of its own. What it does is told first, and done by one krust at a time."""

    def __init__(self, program: Path, toolchain: Toolchain, directory: Path, env: Mapping[str, str]) -> None:
        self._program, self._toolchain, self._name = program, toolchain, toolchain.sysroot.name
        self._directory = directory
        self._env = {**env, "RUST_BACKTRACE": "0"}  # a file that its server lacks is no fault of rustup's

    @classmethod
    def of(cls, toolchain: Toolchain, directory: Path, env: Mapping[str, str]) -> _Rustup | None:
        home = rustup_home(env)
        program = shutil.which("rustup", path=env.get("PATH", ""))
        if program is None or toolchain.sysroot.parent.resolve() != (home / "toolchains").resolve():
            return None
        return cls(Path(program), toolchain, directory, env)

    def targets(self) -> Sequence[str]:
        """What its server should have; it looks at what it has been told before, and not at the network."""
        return [line.split()[0] for line in self._ask("target", "list").splitlines() if line.strip()]

    def add_targets(self, targets: Sequence[Target], cache: Path, say: Callable[[str], None]) -> None:
        """Install the standard libraries that rustup has, as far as that works."""
        has = self.targets()
        known = [target.triple for target in targets if target.triple in has]
        if known and not self._add("target", known, cache, say) and len(known) > 1:
            for triple in known:
                if not self._toolchain.has(triple):  # it stops at the first that it cannot fetch
                    self._add("target", [triple], cache, say)

    def add_source(self, cache: Path, say: Callable[[str], None]) -> bool:
        return self._add("component", ["rust-src"], cache, say)

    def _add(self, kind: str, what: Sequence[str], cache: Path, say: Callable[[str], None]) -> bool:
        with locked(cache / "std" / "rustup.lock"):
            say(f"running 'rustup {kind} add {' '.join(what)} --toolchain {self._name}'")
            try:
                self._ask(kind, "add", *what)
            except CargoError:
                return False  # its words are on stderr; there is another way, or an error that names this one
        return True

    def _ask(self, *words: str) -> str:
        failure = f"cannot run 'rustup {' '.join(words)}': it failed, and has said why above"
        command = [str(self._program), *words, "--toolchain", self._name]
        return output(command, cwd=self._directory, env=self._env, failure=failure)
