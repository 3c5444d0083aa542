"""docker run $(krust build): a docker engine pulls what krust built, and runs it.

The engine is engine.py's.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from krust.image.base import SCRATCH, STATIC
from tests.krust.commands.conftest import Krust
from tests.krust.commands.engine import Engine
from tests.krust.commands.serving import serving
from tests.registry.debian import docker_registry
from tests.tools import EXAMPLES, free_port

pytestmark = pytest.mark.slow  # compiles, and starts an engine


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
        said = engine("run", "--rm", *engine.alone, built.stdout.strip())
        assert said == "Hello from krust!\n"
        user = json.loads(engine("inspect", built.stdout.strip()))[0]["Config"]["User"]
        assert user == ("65532:65532" if base == STATIC else "")


def test_docker_pulls_from_the_store_of_a_build_that_pushed_nothing(
    engine: Engine, krust: Krust, hello: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / ".krust") as host:
        krust("build", "--no-push", hello)
        engine("pull", f"{host}/hello-krust")
        assert engine("run", "--rm", *engine.alone, f"{host}/hello-krust") == "Hello from krust!\n"
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
