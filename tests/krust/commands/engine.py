"""A docker engine of the tests' own: started as root, ended by its id. All that it keeps is in a folder of the test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools import require, require_tool, run, running, says

_READY = r"API listen on "
_NETWORK = "172.31.250.1/24"


@dataclass(frozen=True, slots=True)
class Engine:
    """`bridge`: whether it has a network of its own, so that ports of containers can be published."""

    docker: str
    host: str
    bridge: bool

    def __call__(self, *words: str) -> str:
        """What `docker WORDS` prints on stdout."""
        return run(self.docker, *words, env={"DOCKER_HOST": self.host}).stdout.decode()

    @property
    def alone(self) -> list[str]:
        """What a container needs to be told where none can have a network."""
        return [] if self.bridge else ["--network=none"]


@contextmanager
def docker_engine(folder: Path) -> Iterator[Engine]:
    """An engine for the time of a block; without one the test is skipped, saying why."""
    dockerd, docker = require_tool("dockerd"), require_tool("docker")
    require(os.geteuid() == 0, "only root can start a docker engine")
    socket = f"unix://{folder}/socket"
    with _bridge() as bridge:
        argv: list[str | Path] = [
            dockerd, f"--host={socket}", f"--pidfile={folder}/pid",
            f"--data-root={folder}/data", f"--exec-root={folder}/run",
            f"--bridge={bridge or 'none'}", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
        ]  # fmt: skip
        with _started(argv, folder / "log") as reason:
            if reason is not None:  # a sandbox may allow none, however well it is installed
                pytest.skip(f"dockerd cannot run here: {reason}")
            yield Engine(docker, socket, bridge is not None)
    _unmount(folder)


def _unmount(folder: Path) -> None:
    """What the engine leaves mounted below `folder`, such as the network that it gave to --network=host."""
    for line in Path("/proc/mounts").read_text().splitlines():
        if (where := line.split()[1]).startswith(f"{folder}/"):
            run(require_tool("umount"), where)


@contextmanager
def _started(argv: list[str | Path], log: Path) -> Iterator[str | None]:
    """Run the engine; gives None, or its last words if it does not come up."""
    try:
        server = running(argv, ready=says(_READY), log=log, seconds=60)
        server.__enter__()
    except AssertionError:
        yield log.read_text().strip().rpartition("\n")[2]
        return
    try:
        yield None
    finally:
        server.__exit__(None, None, None)


@contextmanager
def _bridge() -> Iterator[str | None]:
    """A bridge of this test's own, if this machine lets us have one: the engine's would stay behind."""
    ip, name = require_tool("ip"), f"krust{os.getpid() % 100000}"
    made = [ip, "link", "add", "name", name, "type", "bridge"]
    if subprocess.run(made, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        run(ip, "address", "add", _NETWORK, "dev", name)
        run(ip, "link", "set", name, "up")
        yield name
    finally:
        run(ip, "link", "delete", name)
