"""One cargo call: the binaries of a project, for their platforms, and where cargo says that they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from krust.cargo import elf, remap, rustflags, std, zig
from krust.cargo.messages import FORMAT, Artifact, is_message
from krust.cargo.metadata import BinaryTarget, Kind, Package, Project
from krust.cargo.process import run
from krust.cargo.targets import Target, target_of
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError, SettingError
from plumbing.oci.platform import Platform

_KRUSTS_OWN = {
    "--target": "krust chooses it by platform",
    "--message-format": "krust reads cargo's messages",
    "--manifest-path": "name the project's directory",
    "--profile": "use krust's --profile",
    "--release": "use krust's --profile",
    "-r": "use krust's --profile",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """An executable that was built and looked into: static, and for `platform`."""

    path: Path
    name: str
    kind: Kind
    package: Package
    platform: Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """Targets that one cargo call can build for, because they have the same flags. `env` is all of its environment."""

    targets: tuple[Target, ...]
    env: Mapping[str, str]


def build(
    toolchain: Toolchain,
    project: Project,
    binaries: Sequence[BinaryTarget],
    platforms: Sequence[Platform],
    *,
    profile: str = "release",
    cargo_args: Sequence[str] = (),
    env: Mapping[str, str],
    cache: Path,
    say: Callable[[str], None],
) -> list[Binary]:
    """Each of `binaries` for each of `platforms`, in that order; cargo's words go to stderr while it works.

    cargo_args  for `cargo build`, such as --features; not what krust says itself
    cache       where the linker's environment and standard libraries are kept
    say         takes lines for people
    raises      CargoError if cargo fails; ToolchainError if what compiles for a platform is missing; BinaryError if
                what was built is no static executable for its platform; SettingError for arguments that are krust's
    """
    _check(cargo_args)
    targets = [target_of(platform) for platform in platforms]
    built: dict[tuple[str, str, str, Target], Path] = {}
    for call in _calls(toolchain, project, targets, cargo_args, env, cache, say):
        built |= _run(toolchain, project, binaries, call, [f"--profile={profile}", *cargo_args], say)
    found = []
    for wanted in binaries:
        for target, platform in zip(targets, platforms, strict=True):
            path = built.get((wanted.package.id, wanted.kind, wanted.name, target))
            if path is None:
                raise CargoError(f"cannot find what cargo made of '{wanted}': it named no executable for '{target}'")
            elf.check(path, target)
            found.append(
                Binary(path=path, name=wanted.name, kind=wanted.kind, package=wanted.package, platform=platform)
            )
    return found


def _check(cargo_args: Sequence[str]) -> None:
    for word in cargo_args:
        if word == "--":
            return
        if reason := _KRUSTS_OWN.get(word.partition("=")[0]):
            raise SettingError(f"cannot pass '{word}' to cargo: {reason}")


def _calls(
    toolchain: Toolchain,
    project: Project,
    targets: Sequence[Target],
    cargo_args: Sequence[str],
    env: Mapping[str, str],
    cache: Path,
    say: Callable[[str], None],
) -> list[_Call]:
    places = remap.places(toolchain, project.root, env, target_directory=project.target_directory)
    together: dict[tuple[str, ...], list[Target]] = {}
    for target in dict.fromkeys(targets):
        sysroot = std.sysroot(toolchain, target, project.directory, env=env, cache=cache, say=say)
        users = rustflags.of_user(toolchain, target, project.directory, env=env, cargo_args=cargo_args)
        flags = (*users, *rustflags.krusts(users, sysroot=sysroot, places=places))
        together.setdefault(flags, []).append(target)
    calls = []
    for flags, same in together.items():
        linkers: dict[str, str] = {}
        for target in same:
            linkers |= zig.environment(toolchain, target, env=env, cache=cache)
        # What the user has set stays: someone who names a linker or a C compiler means it.
        variables = {**linkers, **env, **remap.c_flags(places, same, env), rustflags.VARIABLE: rustflags.encode(flags)}
        calls.append(_Call(targets=tuple(same), env=variables))
    return calls


def _run(
    toolchain: Toolchain,
    project: Project,
    binaries: Sequence[BinaryTarget],
    call: _Call,
    arguments: Sequence[str],
    say: Callable[[str], None],
) -> dict[tuple[str, str, str, Target], Path]:
    """What cargo says that it has built: the path by package, kind, name and target."""
    command: list[str | Path] = [toolchain.cargo, "build", f"--manifest-path={project.root / 'Cargo.toml'}"]
    command += [f"--target={target}" for target in call.targets]
    command += [f"--package={id}" for id in dict.fromkeys(each.package.id for each in binaries)]
    command += [f"--{each.kind}={each.name}" for each in binaries]
    built: dict[tuple[str, str, str, Target], Path] = {}

    def line(text: str) -> None:
        if not is_message(text):
            say(text.rstrip("\n"))
        elif (artifact := Artifact.parse(text)) and artifact.executable:
            target = _target(artifact.executable, call.targets)
            for kind in artifact.kinds:
                built[artifact.package_id, kind, artifact.name, target] = artifact.executable

    names = ", ".join(each.name for each in binaries)
    run(
        [*command, FORMAT, *arguments],
        cwd=project.directory,
        env=call.env,
        failure=f"cannot build '{names}': cargo failed, and has said why above",
        line=line,
    )
    return built


def _target(path: Path, targets: Sequence[Target]) -> Target:
    """Which target's the executable at `path` is. Cargo tells by the folder alone: TARGET-DIR/<triple>/<profile>/."""
    if len(targets) == 1:
        return targets[0]
    for folder in reversed(path.parts):
        for target in targets:
            if folder == target.triple:
                return target
    raise CargoError(f"cannot tell the target of '{path}': cargo put it in no folder of a target")
