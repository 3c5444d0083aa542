"""Real cargo, and what of it may be shared: krust's cache, so that a standard library is built once for all runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs
import pytest

from krust.cargo import compile, metadata, targets, toolchain
from krust.cargo.compile import Binary
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from plumbing.oci.platform import Platform
from tests.tools import EXAMPLES, require_tool

CACHE = os.environ.get("KRUST_CACHE")
"""Read before the tests' environment is scrubbed of it."""

Write = Callable[[Mapping[str, str]], Path]
Build = Callable[..., Binary]


@pytest.fixture(scope="session")
def cache() -> Path:
    return Path(CACHE) if CACHE else platformdirs.user_cache_path("krust")


@pytest.fixture
def env() -> dict[str, str]:
    return dict(os.environ)


@pytest.fixture
def tools(env: dict[str, str]) -> Toolchain:
    require_tool(env.get("CARGO", "cargo"))
    return toolchain.find(EXAMPLES, env=env)


@pytest.fixture
def host() -> Target:
    return targets.target_of(targets.host_platform())


@pytest.fixture
def said() -> list[str]:
    """What krust has said to people."""
    return []


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files, by path and text, into a folder of their own; return the folder."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "project"

    return write


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """A copy of examples/hello-krust, without what was built of it."""
    return Path(shutil.copytree(EXAMPLES / "hello-krust", tmp_path / "hello", ignore=shutil.ignore_patterns("target")))


@pytest.fixture
def build(env: dict[str, str], cache: Path, said: list[str]) -> Build:
    """Build the one binary of a directory, for the host if no `platform` is named, as `krust build` does."""

    def build(
        directory: Path,
        *,
        binary: str | None = None,
        example: str | None = None,
        platform: Platform | None = None,
        env: Mapping[str, str] = env,
        cache: Path = cache,
        profile: str = "release",
        cargo_args: tuple[str, ...] = (),
        allow_dynamic: bool = False,
    ) -> Binary:
        require_tool(env.get("CARGO", "cargo"))
        tools = toolchain.find(directory, env=env, cache=cache)
        project = metadata.load(tools, directory, env=env, cargo_args=cargo_args)
        target = metadata.choose(project, directory, binary=binary, example=example)
        [built] = compile.build(
            tools,
            project,
            [target],
            [platform or targets.host_platform()],
            compile.Request(profile=profile, cargo_args=cargo_args, allow_dynamic=allow_dynamic),
            env=env,
            cache=cache,
            say=said.append,
        )
        return built

    return build
