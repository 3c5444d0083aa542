"""The three ways to a standard library, with real compilers. What is built is kept in krust's cache between runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from krust.cargo import compile, elf, metadata, std, toolchain
from krust.cargo.lock import locked
from krust.cargo.targets import Target, target_of
from krust.cargo.toolchain import Toolchain
from krust.errors import ToolchainError
from plumbing.oci.platform import Platform
from tests.krust.cargo.conftest import Build
from tests.tools import ROOT, require, require_tool, run

pytestmark = pytest.mark.slow

_S390X = target_of(Platform.parse("linux/s390x"))
_386 = target_of(Platform.parse("linux/386"))


@pytest.fixture
def debian(env: dict[str, str]) -> dict[str, str]:
    """An environment with Debian's compiler, which comes with its source and without musl."""
    has = Path("/usr/bin/rustc").exists() and Path("/usr/bin/cargo").exists()
    require(has, "no Debian compiler; 'apt-get install rustc-web cargo-web rust-web-src' gets one")
    env = {**env, "CARGO": "/usr/bin/cargo", "RUSTC": "/usr/bin/rustc"}
    require(std.has_source(toolchain.find(Path("/"), env=env)), "no rust-src of Debian's; install rust-web-src")
    return env


@pytest.fixture
def rustup(env: dict[str, str], tmp_path: Path, host: Target) -> dict[str, str]:
    """An environment with a toolchain of rustup's without musl, and without source: a copy, so that it can change."""
    require_tool("rustup")
    env = {name: value for name, value in env.items() if name not in ("CARGO", "RUSTC", "RUSTUP_TOOLCHAIN")}
    sysroot = toolchain.find(tmp_path, env=env).sysroot.resolve()
    require(sysroot.parent.name == "toolchains", f"'{sysroot}' is not of rustup's")
    env |= {"RUSTUP_HOME": str(tmp_path / "rustup"), "RUSTUP_TOOLCHAIN": sysroot.name}
    copy = tmp_path / "rustup/toolchains" / sysroot.name
    shutil.copytree(sysroot, copy, symlinks=True, copy_function=link, ignore=shutil.ignore_patterns("doc", "man"))
    for kind, what in (("target", host.triple), ("target", _386.triple), ("component", "rust-src")):
        subprocess.run(["rustup", kind, "remove", what], env=env, capture_output=True, check=False)
    return env


def link(source: str, target: str) -> None:
    """A name more for a large file, which rustup replaces and never changes; a copy of a small one."""
    with contextlib.suppress(OSError):
        if os.stat(source).st_size > 1 << 20:  # noqa: PTH116
            return os.link(source, target)
    shutil.copy2(source, target)
    return None


def sysroot(
    tools: Toolchain,
    target: Target,
    directory: Path,
    *,
    env: Mapping[str, str],
    cache: Path,
    say: Callable[[str], None],
) -> Path | None:
    return std.sysroots(tools, [target], directory, env=env, cache=cache, say=say)[target]


def test_one_that_is_installed_is_left_to_rustc(
    tools: Toolchain, env, host: Target, tmp_path: Path, said: list[str]
) -> None:
    require(tools.has(host.triple), f"no standard library of {host}; 'rustup target add {host}' gets it")
    assert sysroot(tools, host, tmp_path, env=env, cache=tmp_path, say=said.append) is None
    assert said == []


def test_one_that_rustup_has_is_had_from_it(rustup, host: Target, tmp_path: Path, said: list[str]) -> None:
    tools = toolchain.find(tmp_path, env=rustup)
    assert not tools.has(host.triple)
    assert sysroot(tools, host, tmp_path, env=rustup, cache=tmp_path, say=said.append) is None
    assert tools.has(host.triple)
    assert said == [f"running 'rustup target add {host} --toolchain {tools.sysroot.name}'"]


def test_those_that_rustup_has_are_had_in_one_call(rustup, host: Target, tmp_path: Path, said: list[str]) -> None:
    tools = toolchain.find(tmp_path, env=rustup)
    found = std.sysroots(tools, [_386, host], tmp_path, env=rustup, cache=tmp_path, say=said.append)
    assert found == {_386: None, host: None}
    assert said == [f"running 'rustup target add {_386} {host} --toolchain {tools.sysroot.name}'"]


def test_rustup_that_can_fetch_nothing_is_an_error_that_says_what_to_do(
    rustup, host: Target, tmp_path: Path, said: list[str]
) -> None:
    offline = {**rustup, "RUSTUP_DIST_SERVER": "http://127.0.0.1:9", "RUSTUP_MAX_RETRIES": "0"}
    tools = toolchain.find(tmp_path, env=offline)
    with pytest.raises(ToolchainError, match=f"try 'rustup target add {host}', or 'rustup component add rust-src'"):
        sysroot(tools, host, tmp_path, env=offline, cache=tmp_path, say=said.append)
    assert [line.split(" --")[0] for line in said] == [
        f"running 'rustup target add {host}",
        "running 'rustup component add rust-src",
    ]


def test_one_that_rustup_lacks_is_built_from_source(hello: Path, build: Build, rustup) -> None:
    built = build(hello, platform=_S390X.platform, env=rustup)
    assert elf.check(built.path, _S390X).position_independent
    assert run(require_tool("qemu-s390x-static"), built.path).stdout == b"Hello from krust!\n"


def test_several_platforms_come_in_the_order_asked_for(hello: Path, rustup, host: Target, cache: Path, capfd) -> None:
    platforms = [host.platform, _S390X.platform, _386.platform]
    tools = toolchain.find(hello, env=rustup)
    project = metadata.load(tools, hello, env=rustup)
    chosen = [metadata.choose(project, hello)]
    built = compile.build(tools, project, chosen, platforms, env=rustup, cache=cache, say=print)
    assert [each.platform for each in built] == platforms
    for each in built:
        assert elf.check(each.path, target_of(each.platform)).position_independent, each.platform
    # Also with the one that is built from source, which has other flags than the two that rustup has.
    assert capfd.readouterr().err.count("Finished `release`") == 1


def test_one_of_a_compiler_without_rustup_is_built_from_source_once(
    hello: Path, build: Build, debian, host: Target, cache: Path, said: list[str]
) -> None:
    built = build(hello, env=debian)
    assert elf.check(built.path, host).position_independent
    assert run(built.path).stdout == b"Hello from krust!\n"
    said.clear()
    build(hello, env=debian)
    assert said == []
    found = sysroot(toolchain.find(hello, env=debian), host, hello, env=debian, cache=cache, say=said.append)
    assert found
    assert list(found.rglob("libstd-*.rlib"))


def test_it_tells_nothing_of_this_machine(hello: Path, build: Build, debian, cache: Path, host: Target) -> None:
    build(hello, env=debian)
    tools = toolchain.find(hello, env=debian)
    found = sysroot(tools, host, hello, env=debian, cache=cache, say=print)
    assert found
    for library in found.rglob("*.rlib"):
        content = library.read_bytes()
        for place in (cache, Path(debian["CARGO_HOME"]), tools.source.resolve(), Path.home()):
            assert f"{place}/".encode() not in content, library.name


def test_where_it_is_kept_does_not_show(hello: Path, build: Build, debian, cache: Path, tmp_path: Path) -> None:
    first = build(hello, env=debian).path.read_bytes()
    shutil.copytree(cache / "std", tmp_path / "std", ignore=shutil.ignore_patterns("*.lock", "*.tmp"))
    assert build(hello, env=debian, cache=tmp_path).path.read_bytes() == first


def test_where_the_compiler_lies_does_not_show(
    hello: Path, build: Build, env: dict[str, str], rustup, cache: Path, tmp_path: Path
) -> None:
    usual = {name: value for name, value in env.items() if name not in ("CARGO", "RUSTC", "RUSTUP_TOOLCHAIN")}
    first = build(hello, platform=_S390X.platform, env=usual).path.read_bytes()
    assert build(hello, platform=_S390X.platform, env=rustup, cache=tmp_path / "new").path.read_bytes() == first


def test_none_at_all_is_an_error_that_says_what_to_do(debian, host: Target, tmp_path: Path, said: list[str]) -> None:
    tools = replace(toolchain.find(tmp_path, env=debian), sysroot=tmp_path)
    with pytest.raises(ToolchainError, match=r"cannot build for '.*-musl': no standard library .* 'apt-get install"):
        sysroot(tools, host, tmp_path, env=debian, cache=tmp_path, say=said.append)


_KRUST = """
import os, sys
from pathlib import Path
from krust.cargo import std, toolchain
from krust.cargo.targets import host_platform, target_of
from plumbing.oci.platform import Platform
env = dict(os.environ)
tools = toolchain.find(Path("/"), env=env)
cache, *names = map(Path, sys.argv[1:])
targets = [target_of(Platform.parse(str(name))) for name in names]
try:
    say = lambda line: print(line, flush=True)
    std.sysroots(tools, targets or [target_of(host_platform())], Path("/"), env=env, cache=cache, say=say)
except KeyboardInterrupt:
    sys.exit(130)
"""


@contextlib.contextmanager
def getting(cache: Path, env: dict[str, str], *platforms: str, told: str) -> Iterator[subprocess.Popen[bytes]]:
    """A krust that gets standard libraries, of this machine where no platform is named, into `cache`.

    From the moment it says `told`, to the end of the block.
    """
    command = [sys.executable, "-c", _KRUST, str(cache), *platforms]
    with tempfile.TemporaryFile() as out:
        krust = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out)
        try:
            until(lambda: told in os.pread(out.fileno(), 1000, 0).decode())
            yield krust
        finally:
            krust.terminate()
            krust.wait()


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_build_that_is_killed_leaves_nothing_that_is_used(seconds: float, debian, tmp_path: Path) -> None:
    with getting(tmp_path, debian, told="building the standard library") as krust:
        time.sleep(seconds)
        krust.send_signal(signal.SIGKILL)
    assert whole(tmp_path) == []
    wait_for_lock(tmp_path)
    for left in (tmp_path / "std").glob("*.tmp"):
        (left / "mark").touch()
    with getting(tmp_path, debian, told="building the standard library") as krust:
        until(lambda: works(tmp_path))
        krust.send_signal(signal.SIGINT)
        assert krust.wait(10) == 130
    assert whole(tmp_path) == []
    assert [path.suffix for path in (tmp_path / "std").iterdir()] == [".lock"]
    assert at_work(tmp_path) == []


def test_no_more_than_two_are_built_at_once(debian, tmp_path: Path) -> None:
    cargo, calls = tmp_path / "cargo", tmp_path / "calls"
    cargo.write_text(f'#!/bin/sh\necho "$@" >>{calls}\nexec {debian["CARGO"]} "$@"\n')
    cargo.chmod(0o755)
    env = {**debian, "CARGO": str(cargo)}
    platforms = ("linux/arm64", "linux/ppc64le", "linux/s390x")
    with getting(tmp_path, env, *platforms, told="building the standard library of aarch64") as krust:
        until(lambda: works(tmp_path))
        krust.send_signal(signal.SIGTERM)
        assert krust.wait(10) == 130
    assert [line.count("--target=") for line in calls.read_text().splitlines() if "build-std" in line] == [2]
    assert at_work(tmp_path) == []


def at_work(folder: Path) -> list[str]:
    """Processes that have anything below `folder` in their words."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines.append(path.read_text(errors="replace").replace("\0", " "))
    return [line for line in lines if f"{folder}/" in line]


def whole(cache: Path) -> list[str]:
    return [path.name for path in (cache / "std").iterdir() if path.suffix not in (".lock", ".tmp")]


def works(cache: Path) -> bool:
    """Whether cargo works there, in a folder that is new."""
    return not list(cache.glob("std/*.tmp/mark")) and bool(list(cache.glob("std/*.tmp/package/target/*")))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for_lock(cache: Path) -> None:
    """Until the cargo has ended whose krust was killed: it holds the lock, so nobody works in its folder meanwhile."""
    [path] = (cache / "std").glob("*.lock")
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def test_two_at_once_build_one(debian, tmp_path: Path) -> None:
    with (
        getting(tmp_path, debian, told="building the standard library"),
        getting(tmp_path, debian, told="waiting for another krust, which builds the standard library"),
    ):
        assert whole(tmp_path) == []


def test_those_that_are_built_together_are_kept_one_by_one_and_as_if_alone(
    hello: Path, debian, host: Target, cache: Path, tmp_path: Path, said: list[str]
) -> None:
    tools = toolchain.find(hello, env=debian)
    alone = sysroot(tools, host, hello, env=debian, cache=cache, say=said.append)
    both = [host, _S390X]
    found = std.sysroots(tools, both, hello, env=debian, cache=tmp_path, say=said.append)
    assert alone
    for target, kept in found.items():
        assert kept == std.place(tools, target, tmp_path)
        assert list(kept.rglob("libstd-*.rlib"))
    assert libraries(found[host]) == libraries(alone)
    assert said[-1].startswith(
        f"building the standard library of {host}, {_S390X} from source: one or two minutes each"
    )
    assert not list((tmp_path / "std").glob("*.tmp"))


def libraries(folder: Path | None) -> dict[str, bytes]:
    assert folder
    return {path.name: path.read_bytes() for path in folder.rglob("*.rlib")}


def test_what_a_killed_krust_has_left_goes_but_not_what_another_works_on(debian, host: Target, tmp_path: Path) -> None:
    left, busy = (tmp_path / "std" / name for name in ("left.tmp", "busy.tmp"))
    for folder in (left, busy):
        folder.mkdir(parents=True)
    with locked(tmp_path / "std" / "busy.lock"), getting(tmp_path, debian, told="building the standard library"):
        until(lambda: works(tmp_path))
        assert not left.exists()
        assert busy.exists()


def test_the_users_flags_are_no_part_of_it(env: dict[str, str]) -> None:
    users = {"RUSTFLAGS": "-Copt-level=0", "CARGO_PROFILE_RELEASE_DEBUG": "2", "CARGO_BUILD_TARGET_DIR": "/x"}
    assert not set(std._plain({**env, **users})) & set(users)


def test_each_compiler_has_its_own(rustup, host: Target, tmp_path: Path) -> None:
    tools: Toolchain = toolchain.find(tmp_path, env=rustup)
    keys = {std._key(tools, host), std._key(replace(tools, version="x"), host), std._key(tools, _S390X)}
    assert len(keys) == 3
