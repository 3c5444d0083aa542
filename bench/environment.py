"""The environment that all is measured in: nobody's settings, an empty home, and the caches that compilers have."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.tools import KRUST

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


def make_own(home: Path, *, go: bool) -> None:
    """Make this process's environment the one to measure in, with `home`, which is made, as its home."""
    before = Path.home()
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(_SETTINGS)]:
        del os.environ[name]
    for name, folder in _CACHES.items():
        os.environ.setdefault(name, str(before / folder))
    if go:
        for name in ("GOPATH", "GOCACHE", "GOMODCACHE"):
            said = subprocess.run(["go", "env", name], check=True, capture_output=True, text=True).stdout
            os.environ[name] = said.strip()
    os.environ.update(HOME=str(home), DOCKER_BUILDKIT="0")  # Debian's docker has no other builder
    os.environ["PATH"] = os.pathsep.join((str(KRUST.parent), os.environ["PATH"]))
