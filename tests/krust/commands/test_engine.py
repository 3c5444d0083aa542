"""docker run $(krust build): a docker engine pulls what krust built, and runs it.

The engine is started here, as root, and ended by its own id. All that it keeps is in a folder of the test.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from krust.image.base import SCRATCH, STATIC
from tests.krust.commands.conftest import Krust
from tests.krust.commands.serving import serving
from tests.registry.debian import docker_registry
from tests.tools import EXAMPLES, free_port, require, require_tool, run, running, says

pytestmark = pytest.mark.slow  # compiles, and starts an engine

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


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    dockerd, docker = require_tool("dockerd"), require_tool("docker")
    require(os.geteuid() == 0, "only root can start a docker engine")
    folder = tmp_path_factory.mktemp("engine")
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


@contextmanager
def _served(kind: str, tmp_path: Path) -> Iterator[str]:
    """host:port of docker-registry, or of krust serve."""
    with docker_registry(tmp_path / "registry") if kind == "docker-registry" else serving(tmp_path / ".krust") as host:
        yield host


@pytest.mark.parametrize("base", [STATIC, SCRATCH])
@pytest.mark.parametrize("kind", ["docker-registry", "krust serve"])
def test_docker_runs_what_krust_built(
    engine: Engine, krust: Krust, hello: Path, tmp_path: Path, kind: str, base: str
) -> None:
    with _served(kind, tmp_path) as host:
        built = krust("build", "--base", base, hello, env={"KRUST_REPO": host})
        assert built.code == 0, built.stderr
        said = engine("run", "--rm", *_alone(engine), built.stdout.strip())
        assert said == "Hello from krust!\n"
        user = json.loads(engine("inspect", built.stdout.strip()))[0]["Config"]["User"]
        assert user == ("65532:65532" if base == STATIC else "")


def test_docker_pulls_from_the_store_of_a_build_that_pushed_nothing(
    engine: Engine, krust: Krust, hello: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / ".krust") as host:
        krust("build", "--no-push", hello)
        engine("pull", f"{host}/hello-krust")
        assert engine("run", "--rm", *_alone(engine), f"{host}/hello-krust") == "Hello from krust!\n"
        engine("tag", f"{host}/hello-krust", f"{host}/from-docker:v1")
        engine("push", f"{host}/from-docker:v1")
        assert krust("verify", "from-docker:v1").code == 0, "what docker pushed is whole"


@pytest.mark.parametrize("kind", ["docker-registry", "krust serve"])
@pytest.mark.parametrize("network", ["published", "the host's"])
def test_a_server_answers_on_its_port(engine: Engine, krust: Krust, tmp_path: Path, network: str, kind: str) -> None:
    if network == "published" and not engine.bridge:
        pytest.skip("no bridge can be made here, so no port of a container can be published")
    port = free_port()
    words = ["-p", f"127.0.0.1:{port}:8080"] if network == "published" else ["--network=host", "-e", f"PORT={port}"]
    with _served(kind, tmp_path) as host:
        built = krust("build", EXAMPLES / "web", env={"KRUST_REPO": host})
        assert built.code == 0, built.stderr
        container = engine("run", "-d", *words, built.stdout.strip()).strip()
        try:
            assert re.fullmatch("[0-9a-f]{64}", container)
            assert "ok" in _answer(f"http://127.0.0.1:{port}/healthz").lower()
        finally:
            engine("rm", "-f", container)


def _alone(engine: Engine) -> list[str]:
    return [] if engine.bridge else ["--network=none"]


def _answer(url: str) -> str:
    """As soon as there is one, within ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
