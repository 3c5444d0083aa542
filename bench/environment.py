"""The environment that all is measured in: nobody's settings, an empty home, and the caches that compilers have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.tools import KRUST, run

# Settings of what is measured. CARGO and RUSTC stay: they say which compiler to use.
_SETTINGS = (
    "CARGO_BUILD_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "DOCKER_",
    "KO_",
    "KRUST_",
    "KUBE",
    "REGISTRY_",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "SOURCE_DATE_EPOCH",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
)
_CACHES = {"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup", "XDG_CACHE_HOME": ".cache"}


@contextlib.contextmanager
def own(home: Path, *, go: bool) -> Iterator[None]:
    """For the time of a block, make this process's environment the one to measure in; `home`, which is made, its home.

    go  whether there is a Go, whose caches are to be kept as well
    """
    before, here = dict(os.environ), Path.cwd()
    caches = {name: str(Path.home() / folder) for name, folder in _CACHES.items()}
    if go:
        caches |= {name: run("go", "env", name).stdout.decode().strip() for name in ("GOPATH", "GOCACHE", "GOMODCACHE")}
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(_SETTINGS)]:
        del os.environ[name]
    os.environ |= {**caches, **os.environ, "HOME": str(home)}
    os.environ["PATH"] = os.pathsep.join((str(KRUST.parent), os.environ["PATH"]))
    os.environ["DOCKER_BUILDKIT"] = "0"  # Debian's docker has no other builder
    os.chdir(home)  # a store in the working directory, or above it, would be taken for the one that is meant
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ |= before
