"""krust run --kube: the program in a pod of a real API server, with a node of the tests' own that runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.krust.commands.conftest import ECHO, Krust, write_project
from tests.krust.kube.apiserver import apiserver
from tests.krust.kube.kubelet import Kubelet, kubelet
from tests.registry.faults import registry
from tests.tools import KRUST, require_tool, run
from tests.tools import krust as fetching

# Without it a real kubelet is asked in SPDY, which a few lines of a test cannot speak; kubectl speaks WebSocket anyway.
_WEB_SOCKETS = "--feature-gates=TranslateStreamCloseWebsocketRequests=false"


@dataclass(frozen=True, slots=True)
class Cluster:
    node: Kubelet
    flags: list[str]
    repository: str
    project: Path

    @property
    def words(self) -> list[str | Path]:
        """Of `krust run`, before the program's."""
        flags = [f"--engine-arg={flag}" for flag in self.flags]
        return [KRUST, "-q", "run", "--kube", "--repo", self.repository, *flags, self.project]

    def pods(self) -> list[str]:
        return run(require_tool("kubectl"), "get", "pods", "-o", "name", *self.flags).stdout.decode().split()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require_tool("kubectl")
    require_tool(os.environ.get("CARGO", "cargo"))
    folder = tmp_path_factory.mktemp("cluster")
    project = write_project(folder / "echo", ECHO)

    def fetch(image: str) -> Path:
        layout = folder / f"image-{len(list(folder.iterdir()))}"
        fetching("fetch", "--store", layout, image)
        return layout

    with apiserver(folder / "server", _WEB_SOCKETS) as flags, registry() as r:
        server = flags[0].removeprefix("--server=")
        with kubelet(folder / "node", server, fetch) as node:
            yield Cluster(node, flags, r.host, project)


@pytest.mark.slow
def test_a_program_runs_in_a_pod_as_if_it_were_here(cluster: Cluster) -> None:
    """Its first words too, which it says long before anybody could attach to it; both outputs are one in a cluster."""
    words = [*cluster.words, "--", "a b", "$(HOME)", "$$d"]
    done = subprocess.run(words, input=b"in\n" * 1000, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"a b|$(HOME)|$$d\n" + b"in\n" * 1000, b"")
    without = subprocess.run(cluster.words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120)
    assert (without.returncode, without.stdout, without.stderr) == (0, b"\n", b"")
    _gone(cluster)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_it_and_removes_the_pod(cluster: Cluster, number: signal.Signals) -> None:
    process = subprocess.Popen([*cluster.words, "--", "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline() == b"wait\n"
        process.send_signal(number)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()
    _gone(cluster)


@pytest.mark.slow
def test_a_pod_that_cannot_start_is_an_error_and_is_removed(cluster: Cluster, krust: Krust, tmp_path: Path) -> None:
    """As where the nodes may not have the image."""
    fetch, cluster.node.fetch = cluster.node.fetch, _refused
    try:
        done = krust(*cluster.words[1:], cwd=tmp_path)
    finally:
        cluster.node.fetch = fetch
    assert (done.code, done.stdout) == (1, "")
    assert done.fault.startswith("krust: cannot start 'echo-")
    assert done.fault.endswith("': ImagePullBackOff: no such image")
    _gone(cluster)


def _refused(_: str) -> Path:
    raise AssertionError("no such image")


@pytest.mark.slow
def test_a_pod_that_somebody_deletes_is_an_error(cluster: Cluster) -> None:
    process = subprocess.Popen(
        [*cluster.words, "--", "wait"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == b"wait\n"
        [pod] = cluster.pods()
        run(require_tool("kubectl"), "delete", pod, "--force", "--grace-period=0", *cluster.flags)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert b"it is gone; somebody has deleted it" in stderr
    finally:
        process.kill()
        process.communicate()
    _gone(cluster)


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_an_error(krust: Krust, cluster: Cluster) -> None:
    """kubectl says why, and no pod is looked for."""
    elsewhere = ["--engine-arg=--server=http://127.0.0.1:9", "--engine-arg=--context="]
    done = krust(*cluster.words[1:6], *elsewhere, cluster.project)
    assert (done.code, done.stdout) == (1, "")
    assert "refused" in done.stderr
    assert done.fault == "krust: cannot go on: 'kubectl create' has said why"


def test_kube_needs_kubectl_and_no_engine(krust: Krust, tmp_path: Path) -> None:
    done = krust("run", "--kube", env={"PATH": str(tmp_path)})
    assert (done.code, done.stdout) == (127, "")
    assert done.stderr.startswith("krust: cannot find 'kubectl' on PATH; ")
    both = krust("run", "--kube", "--engine", "docker")
    assert (both.code, "--kube or --engine" in both.fault) == (2, True)


def _gone(cluster: Cluster) -> None:
    """The node gives a pod up that is deleted, a moment later."""
    deadline = time.monotonic() + 30
    while left := cluster.pods():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
