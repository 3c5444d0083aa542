"""krust run: the program in a container, its words, its exit code, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.krust.commands.conftest import ECHO, Krust, write_project
from tests.krust.commands.engine import Engine
from tests.tools import KRUST, require, require_tool, run


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    return write_project(tmp_path / "echo", ECHO)


# What a container may not ask for in a sandbox: networks, limits beyond its own, control groups of the second version.
_PODMAN = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "none"
[engine]
runtime = "runc"
"""


@dataclass(frozen=True, slots=True)
class Programs:
    """An engine as `krust run` finds it: `words` are krust's, and `env` is added to the environment."""

    program: str
    env: Mapping[str, str]
    words: Sequence[str]

    def __call__(self, *words: str) -> str:
        return run(self.program, *words, env=self.env).stdout.decode().strip()


@pytest.fixture(params=["docker", "podman"])
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Programs:
    if request.param == "docker":
        engine: Engine = request.getfixturevalue("engine")
        alone = [f"--engine-arg={word}" for word in engine.alone]
        return Programs(engine.docker, {"DOCKER_HOST": engine.host}, alone)
    podman = require_tool("podman")
    require_tool("runc")
    require(os.geteuid() == 0, "podman is set up for root here")
    storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/images"\nrunroot = "{tmp_path}/run"\n'
    (tmp_path / "storage.conf").write_text(storage)
    (tmp_path / "containers.conf").write_text(_PODMAN)
    env = {"CONTAINERS_STORAGE_CONF": "storage.conf", "CONTAINERS_CONF": "containers.conf"}
    env = {name: str(tmp_path / file) for name, file in env.items()}
    return Programs(podman, env, ["--engine=podman"])


@pytest.mark.slow
def test_a_program_runs_as_if_it_were_here_and_ctrl_c_stops_it(programs: Programs, krust: Krust, echo: Path) -> None:
    environment = {**os.environ, **programs.env}
    words: list[str | Path] = [KRUST, "-q", "run", *programs.words, "."]
    done = subprocess.run(
        [*words, "--", "a b", "--c", "$d"], cwd=echo, env=environment, input=b"in\n", capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"a b|--c|$d\n", b"in\n")

    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([*words, "--", "wait"], cwd=echo, env=environment, stdout=subprocess.PIPE)
        try:
            assert process.stdout
            assert process.stdout.readline() == b"wait\n"
            begun = time.monotonic()
            process.send_signal(number)
            assert process.wait(30) in (137, 143), "it hears nothing as the first process, so it was killed"
            assert time.monotonic() - begun < 20
        finally:
            process.kill()
            process.communicate()
    assert programs("ps", "--all", "--quiet") == ""
    assert programs("image", "ls", "--quiet") == ""


@pytest.mark.parametrize(("words", "missing"), [([], "'docker' or 'podman'"), (["--engine", "podman"], "'podman'")])
def test_without_an_engine_nothing_is_built(krust: Krust, tmp_path: Path, words: list[str], missing: str) -> None:
    done = krust("run", *words, env={"PATH": str(tmp_path)})
    assert (done.code, done.stdout) == (127, "")
    assert done.stderr.startswith(f"krust: cannot find {missing} on PATH; ")
