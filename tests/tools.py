"""What tests need of the machine: other people's programs, ports, and servers that are surely ended."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
KRUST = Path(sys.executable).with_name("krust")

# Which package has a program, where that is not its name. `.ci/run` installs them all.
_PACKAGES = {
    "bsdtar": "libarchive-tools",
    "conformance": "go install github.com/opencontainers/distribution-spec/conformance, as .ci/run has it",
    "crane": "go install github.com/google/go-containerregistry/cmd/crane@latest",
    "docker": "docker.io",
    "dockerd": "docker.io",
    "etcd": "etcd-server",
    "getcap": "libcap2-bin",
    "setcap": "libcap2-bin",
    "htpasswd": "apache2-utils",
    "ip": "iproute2",
    "ko": "go install github.com/google/ko@latest",
    "kubectl": "tests/kube-apiserver/build, as .ci/run calls it",
    "skaffold": "tests/kube-apiserver/build, as .ci/run calls it",
}

# Debian keeps runc and dockerd out of an ordinary user's PATH, and go installs where few PATHs look.
_ALSO = ("/usr/local/sbin", "/usr/sbin", "/sbin", str(Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin"))


def require(condition: object, reason: str) -> None:
    """Without `condition` the test is skipped, saying `reason`; under CI=true, where all should be there, it fails."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI has to have what this test needs: {reason}", pytrace=False)
    pytest.skip(reason)


def require_tool(name: str) -> str:
    """The path of the program `name`, or see `require`."""
    path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_ALSO)))
    package = _PACKAGES.get(name, name)
    how = f"'{package}'" if " " in package else f"the package '{package}' has it"
    require(path, f"no program '{name}'; {how}")
    assert path
    return path


def run(
    *argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its good end. `env` is added to the environment. A failure shows what the program said."""
    done = subprocess.run(
        argv, cwd=cwd, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, check=False
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")
        pytest.fail(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{said}", pytrace=False)
    return done


def krust(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What `krust ARGUMENTS` prints, as a person would run it: a process of its own. Without the last line's end."""
    done = run(KRUST, *arguments, cwd=cwd, env=env)
    return done.stdout.decode().removesuffix("\n")


def free_port() -> int:
    """A loopback port that was free a moment ago, for servers that cannot be told to take any."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Server:
    """A program that `running` started."""

    pid: int
    log: Path

    def said(self) -> str:
        """Both its outputs, so far."""
        return self.log.read_text(errors="replace")


def listens(port: int) -> Callable[[Server], bool]:
    """Ready once something takes connections on the loopback `port`."""

    def ready(_: Server) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    return ready


def says(pattern: str) -> Callable[[Server], bool]:
    """Ready once its output matches the regular expression `pattern`."""
    return lambda server: re.search(pattern, server.said()) is not None


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    ready: Callable[[Server], bool],
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = 30,
) -> Iterator[Server]:
    """Run a server from the moment it is `ready` to the end of the block; then end it and all that it started.

    log      a file for what it says
    env      added to the environment
    raises   AssertionError, with what it said, if it ends or is not ready in `seconds`
    """
    with log.open("wb") as out:
        # A session of its own makes it the leader of a process group, so that its children can be ended with it.
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process.pid, log)
    try:
        deadline = time.monotonic() + seconds
        while not ready(server):
            ended = process.poll()
            assert ended is None, f"'{argv[0]}' ended with exit {ended}:\n{server.said()}"
            assert time.monotonic() < deadline, f"'{argv[0]}' is not ready after {seconds} s:\n{server.said()}"
            time.sleep(0.02)
        yield server
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM and ten seconds, as krust needs to clear away, then SIGKILL for whatever of its group is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
