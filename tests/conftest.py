"""What every test starts from: hypothesis's profiles, and an environment that tells nothing of its person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.registry.faults import Registry, registry
from tests.secrets.watch import Watch
from tests.tools import KRUST

# No deadlines: two cores that also compile Rust are slow at random, and a test that is too slow shows elsewhere.
settings.register_profile("ci", deadline=None, print_blob=True)
settings.register_profile("check", deadline=None, max_examples=20)  # make check
settings.load_profile("ci")

# Settings of krust and of what it calls, any of which would change what a test sees. CARGO, RUSTC, CARGO_HOME and
# RUSTUP_HOME stay: they say which compiler to use, and that is the caller's choice.
_SCRUBBED = (
    "CARGO_BUILD_",
    "CARGO_ENCODED_",
    "CARGO_INCREMENTAL",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CLICOLOR",
    "DOCKER_",
    "FORCE_COLOR",
    "GIT_",
    "KRUST_",
    "KUBE",
    "NO_COLOR",
    "REGISTRY_AUTH_FILE",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "SOURCE_DATE_EPOCH",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Watch(config))


@pytest.fixture(scope="session", autouse=True)
def _scrubbed_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty home, and krust on PATH; toolchains and caches stay, or each run would fetch and build them again."""
    home = Path.home()
    with pytest.MonkeyPatch.context() as environment:
        for name in os.environ:
            if name.startswith(_SCRUBBED):
                environment.delenv(name)
        for name, folder in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"), ("XDG_CACHE_HOME", ".cache")):
            environment.setenv(name, os.environ.get(name, str(home / folder)))
        environment.setenv("PATH", str(KRUST.parent), prepend=os.pathsep)
        environment.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def r() -> Iterator[Registry]:
    """An empty registry of the tests, whose faults a test may turn on."""
    with registry() as r:
        yield r
