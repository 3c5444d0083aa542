"""One cargo call: the binaries of a project, for their platforms, and where cargo says that they are."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Executables that one cargo call can be asked for: it selects each package that has one of the names.

    alone  no other selection has an executable of the same name, which cargo would put in the same place
    """

    binaries: tuple[BinaryTarget, ...]
    alone: bool


def selections(binaries: Iterable[BinaryTarget]) -> list[Selection]:
    """`binaries` in as few calls as cargo's words allow: `-p a -p b --bin x` means the x of both."""
    groups: list[list[BinaryTarget]] = []
    for wanted in dict.fromkeys(binaries):
        for group in groups:
            if _can_be_said([*group, wanted]):
                group.append(wanted)
                break
        else:
            groups.append([wanted])
    packages_of = Counter((each.kind, each.name) for group in groups for each in group)
    return [
        Selection(binaries=tuple(group), alone=all(packages_of[each.kind, each.name] == 1 for each in group))
        for group in groups
    ]


def _can_be_said(group: Sequence[BinaryTarget]) -> bool:
    """Whether the packages and names of `group` select its members and nothing else, each name once."""
    names = {(each.kind, each.name) for each in group}
    packages = {each.package.id: each.package for each in group}.values()
    selected = [each for package in packages for each in package.executables if (each.kind, each.name) in names]
    return len(selected) == len(group) == len(names)


def _nothing(_: Binary) -> None:
    pass


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
    finished: Callable[[Binary], None] = _nothing,
) -> list[Binary]:
    """Each of `binaries` for each of `platforms`, in that order; cargo's words go to stderr while it works.

    cargo_args  for `cargo build`, such as --features; not what krust says itself
    cache       where the linker's environment and standard libraries are kept
    say         takes lines for people
    finished    takes each binary once, as soon as cargo has told of it, while cargo goes on with the others. It is
                called by the thread that reads cargo's messages, so what takes long belongs into another. A file stays
                as it is until the next build.
    raises      CargoError if cargo fails; ToolchainError if what compiles for a platform is missing; BinaryError if
                what was built is no static executable for its platform; SettingError for arguments that are krust's
    """
    _check(cargo_args)
    targets = {platform: target_of(platform) for platform in platforms}
    built: dict[tuple[BinaryTarget, Platform], Binary] = {}

    def told(wanted: BinaryTarget, target: Target, path: Path) -> None:
        elf.check(path, target)
        for platform in (each for each, its in targets.items() if its == target):
            binary = Binary(path=path, name=wanted.name, kind=wanted.kind, package=wanted.package, platform=platform)
            built[wanted, platform] = binary
            finished(binary)

    arguments = [f"--profile={profile}", *cargo_args]
    for call in _calls(toolchain, project, list(targets.values()), cargo_args, env, cache, say):
        for selected in selections(binaries):
            _run(toolchain, project, selected, call, arguments, say, told)
    return [_found(built, wanted, platform) for wanted in binaries for platform in platforms]


def _found(built: Mapping[tuple[BinaryTarget, Platform], Binary], wanted: BinaryTarget, platform: Platform) -> Binary:
    if binary := built.get((wanted, platform)):
        return binary
    raise CargoError(f"cannot find what cargo made of '{wanted}': it named no executable for '{platform}'")


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
    selected: Selection,
    call: _Call,
    arguments: Sequence[str],
    say: Callable[[str], None],
    told: Callable[[BinaryTarget, Target, Path], None],
) -> None:
    """Have cargo build what is selected; `told` takes each executable once."""
    command: list[str | Path] = [toolchain.cargo, "build", f"--manifest-path={project.root / 'Cargo.toml'}"]
    command += [f"--target={target}" for target in call.targets]
    command += [f"--package={id}" for id in dict.fromkeys(each.package.id for each in selected.binaries)]
    command += [f"--{each.kind}={each.name}" for each in selected.binaries]
    wanted: dict[tuple[str, str, str], BinaryTarget] = {
        (each.package.id, each.kind, each.name): each for each in selected.binaries
    }

    def line(text: str) -> None:
        if not is_message(text):
            say(text.rstrip("\n"))
        elif (artifact := Artifact.parse(text)) and (path := artifact.executable):
            for kind in artifact.kinds:
                if binary := wanted.get((artifact.package_id, kind, artifact.name)):
                    told(binary, _target(path, call.targets), path if selected.alone else _set_aside(path, binary))

    names = ", ".join(each.name for each in selected.binaries)
    run(
        [*command, FORMAT, *arguments],
        cwd=project.directory,
        env=call.env,
        failure=f"cannot build '{names}': cargo failed, and has said why above",
        line=line,
    )


def _set_aside(path: Path, binary: BinaryTarget) -> Path:
    """A name of its own for the executable at `path`, whose name is also that of another package's."""
    kept = path.parent / ".krust" / binary.package.name / path.name
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        try:
            kept.hardlink_to(path)  # cargo makes a new file in its place, and leaves this one
        except OSError:  # a file system without them
            shutil.copy2(path, kept)
    except OSError as error:
        raise CargoError(f"cannot set '{path}' aside in '{kept.parent}': {error.strerror}; make room") from error
    return kept


def _target(path: Path, targets: Sequence[Target]) -> Target:
    """Which target's the executable at `path` is. Cargo tells by the folder alone: TARGET-DIR/<triple>/<profile>/."""
    if len(targets) == 1:
        return targets[0]
    for folder in reversed(path.parts):
        for target in targets:
            if folder == target.triple:
                return target
    raise CargoError(f"cannot tell the target of '{path}': cargo put it in no folder of a target")
