"""One cargo call: the binaries of a project, for their platforms, and where cargo says that they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from krust.cargo import elf, linked, processors, remap, rustflags, std, zig
from krust.cargo.calls import Selected, grouped, set_aside
from krust.cargo.messages import FORMAT, Artifact, is_message
from krust.cargo.metadata import BinaryTarget, Kind, Package, Project
from krust.cargo.process import run
from krust.cargo.targets import Target, target_of
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError, SettingError
from plumbing.oci.platform import Platform

KRUSTS_OWN = {
    "--target": "krust chooses it by --platform, such as linux/arm64",
    "--message-format": "krust reads cargo's messages",
    "--manifest-path": "name the project's directory",
    "--profile": "give it before '--'",
    **dict.fromkeys(("--release", "-r"), "krust builds so, unless --profile names another profile"),
    **dict.fromkeys(("-p", "--package", "--bin", "--example", "--workspace", "--all"), "give it before '--'"),
    **dict.fromkeys(("-h", "--help"), "run 'cargo build --help'"),
}
"""Options of `cargo build` that cannot be passed on, each with the reason or the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """An executable that was built and looked into: for `platform`, and static if it was not allowed otherwise."""

    path: Path
    name: str
    kind: Kind
    package: Package
    platform: Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """Targets that one cargo call can build for, with what it is given. `env` is all of its environment.

    independent  those whose programs have to be position-independent: all, but where the user has said how
    """

    targets: tuple[Target, ...]
    independent: frozenset[Target]
    env: Mapping[str, str]
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How binaries are to be built, whichever they are.

    cargo_args  for `cargo build`, such as --features; not what krust says itself
    target_cpu  the least processor that programs for a platform need, as `rustc --print=target-cpus` calls it
    allow_dynamic
                take a program that needs a loader and libraries; the image has to have them
    """

    profile: str = "release"
    cargo_args: Sequence[str] = ()
    target_cpu: Mapping[Platform, str] = field(default_factory=dict)
    allow_dynamic: bool = False


_USUAL = Request()


def _nothing(_: Binary) -> None:
    pass


def build(
    toolchain: Toolchain,
    project: Project,
    binaries: Sequence[BinaryTarget],
    platforms: Sequence[Platform],
    request: Request = _USUAL,
    *,
    env: Mapping[str, str],
    cache: Path,
    say: Callable[[str], None],
    finished: Callable[[Binary], None] = _nothing,
) -> list[Binary]:
    """Each of `binaries` for each of `platforms`, in that order; cargo's words go to stderr while it works.

    cache     where the linker's environment and standard libraries are kept
    say       takes lines for people
    finished  takes each binary once, as soon as cargo has told of it, while cargo goes on with the others. It is called
              by the thread that reads cargo's messages, so what takes long belongs into another. A file stays as it is
              until the next build.
    raises    CargoError if cargo fails; ToolchainError if what compiles for a platform is missing; BinaryError if what
              was built is no static executable for its platform; SettingError for arguments that are krust's
    """
    _check(request.cargo_args)
    targets = {platform: target_of(platform) for platform in platforms}
    built: dict[tuple[BinaryTarget, Platform], Binary] = {}

    def told(wanted: BinaryTarget, target: Target, path: Path) -> None:
        zig.linked(target, env=env, cache=cache)
        for platform in (each for each, its in targets.items() if its == target):
            binary = Binary(path=path, name=wanted.name, kind=wanted.kind, package=wanted.package, platform=platform)
            built[wanted, platform] = binary
            finished(binary)

    for call in _calls(toolchain, project, tuple(dict.fromkeys(targets.values())), request, env, cache, say):
        for selected in grouped(binaries):
            _run(toolchain, project, selected, call, request, say, told)
    return [_found(built, wanted, platform) for wanted in binaries for platform in platforms]


def _found(built: Mapping[tuple[BinaryTarget, Platform], Binary], wanted: BinaryTarget, platform: Platform) -> Binary:
    if binary := built.get((wanted, platform)):
        return binary
    raise CargoError(f"cannot find what cargo made of '{wanted}': it named no executable for '{platform}'")


def _check(cargo_args: Sequence[str]) -> None:
    for word in cargo_args:
        if word == "--":
            return
        if reason := KRUSTS_OWN.get(word.partition("=")[0]):
            raise SettingError(f"cannot pass '{word}' to cargo: {reason}")


def _calls(
    toolchain: Toolchain,
    project: Project,
    targets: Sequence[Target],
    request: Request,
    env: Mapping[str, str],
    cache: Path,
    say: Callable[[str], None],
) -> list[_Call]:
    places = remap.places(toolchain, project.root, env, target_directory=project.target_directory)
    cpus = {target_of(platform): cpu for platform, cpu in request.target_cpu.items()}
    for target in targets:
        if cpu := cpus.get(target):
            processors.check(toolchain, target, cpu, project.directory, env)
    sysroots = std.sysroots(toolchain, targets, project.directory, env=env, cache=cache, say=say)
    users = rustflags.of_user(toolchain, targets, project.directory, env=env, cargo_args=request.cargo_args)
    linkers = zig.environment(toolchain, targets, env=env, cache=cache)
    if cold := zig.unlinked(targets, env=env, cache=cache):
        say(f"zig compiles its own runtime for {', '.join(map(str, cold))} first: 20 to 30 seconds each, once")
    arguments: dict[Target, str] = {}
    hiding: dict[tuple[str, ...], list[Target]] = {}
    for target in targets:
        flags = users[target].flags
        cpu = cpus.get(target)
        ours = rustflags.krusts(flags, sysroot=sysroots[target], places=places, cpu=cpu, dynamic=request.allow_dynamic)
        if users[target].hidden:
            hiding.setdefault((*flags, *ours), []).append(target)
        else:
            arguments[target] = rustflags.argument(target, users[target], ours)
    # A C compiler of theirs might not know the processor by the name that rustc and zig have from LLVM.
    known = {target: cpu for target, cpu in cpus.items() if zig.compiles_c(target, env)}
    # What the user has set stays: someone who names a linker or a C compiler means it.
    given = {**linkers, **env, **remap.c_flags(places, targets, env, cpus=known)}
    bare = {name: value for name, value in given.items() if name not in (rustflags.VARIABLE, rustflags.PLAIN)}
    independent = frozenset(each for each in targets if rustflags.is_position_independent(users[each].flags))
    calls = [
        _Call(targets=tuple(same), independent=independent, env={**given, rustflags.VARIABLE: rustflags.encode(flags)})
        for flags, same in hiding.items()
    ]
    if arguments:
        words = tuple(arguments.values())
        calls.append(_Call(targets=tuple(arguments), independent=independent, arguments=words, env=bare))
    return calls


def _run(
    toolchain: Toolchain,
    project: Project,
    selected: Selected,
    call: _Call,
    request: Request,
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

    messages: list[str] = []  # read again only where a program turns out to be dynamic

    def line(text: str) -> None:
        if not is_message(text):
            say(text.rstrip("\n"))
            return
        messages.append(text)
        if (artifact := Artifact.parse(text)) and (path := artifact.executable) and not artifact.test:
            for kind in artifact.kinds:
                if binary := wanted.get((artifact.package_id, kind, artifact.name)):
                    target = _target(path, call.targets)
                    independent = target in call.independent
                    elf.check(
                        path,
                        target,
                        allow_dynamic=request.allow_dynamic,
                        position_independent=independent,
                        tell=partial(linked.told, messages, target),
                    )
                    told(binary, target, path if selected.alone else set_aside(path, binary))

    names = ", ".join(each.name for each in selected.binaries)
    run(
        [*command, FORMAT, f"--profile={request.profile}", *request.cargo_args, *call.arguments],
        cwd=project.directory,
        env=call.env,
        failure=f"cannot build '{names}': cargo failed, and has said why above",
        line=line,
    )


def _target(path: Path, targets: Sequence[Target]) -> Target:
    """Which target's the executable at `path` is. Cargo tells by the folder alone: TARGET-DIR/<triple>/<profile>/."""
    if len(targets) == 1:
        return targets[0]
    for folder in reversed(path.parts):
        for target in targets:
            if folder == target.triple:
                return target
    raise CargoError(f"cannot tell the target of '{path}': cargo put it in no folder of a target")
