"""Other people's programs: finding them, installing them from where their makers publish them, their versions."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_NO_SERVICES = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True, slots=True)
class Peer:
    """`source` is a Debian package, or a Go module; `version` the words that make it tell its version."""

    source: str
    version: tuple[str, ...]


PEERS = {
    "ko": Peer("github.com/google/ko", ("version",)),
    "crane": Peer("github.com/google/go-containerregistry/cmd/crane", ("version",)),
    "skopeo": Peer("skopeo", ("--version",)),
    "umoci": Peer("umoci", ("--version",)),
    "docker-registry": Peer("docker-registry", ("--version",)),
    "dockerd": Peer("docker.io", ("--version",)),
    "docker": Peer("docker.io", ("--version",)),
    "hyperfine": Peer("hyperfine", ("--version",)),
    "ip": Peer("iproute2", ("-V",)),
    "curl": Peer("curl", ("--version",)),
    "go": Peer("golang-go", ("version",)),
}


def add_to_path() -> None:
    """Go installs where few PATHs look, and Debian keeps dockerd from an ordinary user's."""
    places = [os.environ["PATH"], "/usr/local/sbin", "/usr/sbin"]
    if shutil.which("go"):
        places.append(str(Path(_said("go", "env", "GOPATH")) / "bin"))
    os.environ["PATH"] = os.pathsep.join(places)


def install(names: Iterable[str]) -> dict[str, str]:
    """Get those of `names` that are missing; return why, for each that cannot be had."""
    missing = [name for name in names if not shutil.which(name)]
    if not missing:
        return {}
    reasons: dict[str, str | None] = {}
    with _no_services():
        for source in dict.fromkeys(PEERS[name].source for name in missing):
            reasons[source] = _go_install(source) if "/" in source else _apt_install(source)
    return {
        name: reasons[PEERS[name].source] or "it was installed, and is not on PATH"
        for name in missing
        if not shutil.which(name)
    }


def versions(names: Iterable[str]) -> dict[str, str]:
    """The line in which each tells its version."""
    found = {}
    for name in names:
        lines = [line for line in _said(name, *PEERS[name].version).splitlines() if line]
        found[name] = next((line for line in lines if "version" in line.lower()), lines[0] if lines else "?")
    return found


def _apt_install(package: str) -> str | None:
    """Return why it could not be installed, if so."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return f"only root on Debian can install it: apt-get install {package}"
    return _fails("apt-get", "update", "-q") or _fails(
        "apt-get", "install", "-q", "-y", "--no-install-recommends", package
    )


def _go_install(module: str) -> str | None:
    """As `_apt_install`."""
    if not shutil.which("go"):
        return f"there is no Go to install it with: go install {module}@latest"
    return _fails("go", "install", f"{module}@latest")


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Debian would start the registry and the engine; here each case starts its own. invoke-rc.d(8)."""
    ours = os.geteuid() == 0 and _NO_SERVICES.parent.is_dir() and not _NO_SERVICES.exists()
    if ours:
        _NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
        _NO_SERVICES.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _NO_SERVICES.unlink()


def _fails(*argv: str) -> str | None:
    """Run it; return its last words if it fails."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return f"'{' '.join(argv)}' failed: {(done.stderr or done.stdout).strip().rpartition(chr(10))[2]}"


def _said(*argv: str) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip()
