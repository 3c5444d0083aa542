"""What there is to build with, and what would get the rest: facts for people. Looking changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from krust.cargo import std, toolchain
from krust.cargo.std import Way
from krust.cargo.targets import TARGETS, Target, host_platform, target_of
from krust.cargo.toolchain import Toolchain
from krust.errors import SettingError, ToolchainError
from plumbing.oci.platform import Platform

_EMULATORS = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}
"""qemu's names of architectures, where they are not OCI's."""

_PACKAGES = ("ziglang", "cargo-zigbuild")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing: `found` is what there is of it, None if it is missing; `remedy` is the command that would get it."""

    name: str
    found: str | None
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFacts:
    """What a build for `platform` would find.

    way       how its standard library is had
    remedy    commands that would get the library; None where it is there, or the next build gets it
    emulator  a program that runs binaries of another architecture; its `remedy` is for Debian
    host      it is the platform of this machine, so it needs no emulator
    """

    platform: Platform
    triple: str
    way: Way
    remedy: str | None
    emulator: Fact
    host: bool

    @property
    def can_be_built(self) -> bool:
        return self.way != "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """`tools` are the compiler, the linker and the source of the standard library; all of `platforms` have a target."""

    tools: tuple[Fact, ...]
    platforms: tuple[PlatformFacts, ...]

    @property
    def host_can_be_built(self) -> bool:
        tools = all(fact.found is not None for fact in self.tools if fact.name != _SOURCE)
        return tools and any(facts.host and facts.can_be_built for facts in self.platforms)


_SOURCE = "rust-src"
_COMPILER_FIRST = "get a compiler first"


def examine(directory: Path, *, env: Mapping[str, str], cache: Path) -> Examination:
    """What a build in `directory` would find, for every platform that krust knows. Nothing is changed by it.

    It asks rustc for its version, and rustup for the targets that it has; no network is needed.
    """
    env = {**env, "RUSTUP_AUTO_INSTALL": "0"}  # or rustup would install what rust-toolchain.toml names
    try:
        found = toolchain.find(directory, env=env)
    except ToolchainError as error:
        compiler = Fact(name="compiler", found=None, remedy=str(error))
        none = tuple(_platform(target, "none", _COMPILER_FIRST, env) for target in TARGETS)
        return Examination(tools=(compiler, *_linkers()), platforms=none)
    platforms = []
    for target, way in std.ways(found, TARGETS, directory, env=env, cache=cache).items():
        remedy = std.remedy(found, target, directory, env) if way == "none" else None
        platforms.append(_platform(target, way, remedy, env))
    compiler = Fact(name="compiler", found=str(found))
    return Examination(tools=(compiler, *_linkers(), _source(found)), platforms=tuple(platforms))


def _linkers() -> Sequence[Fact]:
    return [Fact(name=name, found=_version(name), remedy=f"pip install --force-reinstall {name}") for name in _PACKAGES]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _source(found: Toolchain) -> Fact:
    if std.has_source(found):
        return Fact(name=_SOURCE, found=str(found.source))
    return Fact(name=_SOURCE, found=None, remedy="rustup component add rust-src, or on Debian apt-get install rust-src")


def _platform(target: Target, way: Way, remedy: str | None, env: Mapping[str, str]) -> PlatformFacts:
    return PlatformFacts(
        platform=target.platform,
        triple=target.triple,
        way=way,
        remedy=remedy,
        emulator=_emulator(target, env),
        host=target == _host(),
    )


def _host() -> Target | None:
    try:
        return target_of(host_platform())
    except SettingError:
        return None


def _emulator(target: Target, env: Mapping[str, str]) -> Fact:
    name = f"qemu-{_EMULATORS.get(target.platform.architecture, target.platform.architecture)}"
    for program in (f"{name}-static", name):
        if path := shutil.which(program, path=env.get("PATH", "")):
            return Fact(name=name, found=path)
    return Fact(name=name, found=None, remedy="apt-get install qemu-user-static")
