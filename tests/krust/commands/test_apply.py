"""krust apply, create, replace, delete: what kubectl is given, and that its end is krust's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.krust.commands.conftest import Krust
from tests.krust.kube.kubectl import kubectl
from tests.tools import KRUST, require_tool

_DIGEST = "sha256:" + "1" * 64
_OBJECT = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, namespace: web, labels: {app: NAME}}\n"
    "data: {image: krust://app} # kept\n"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A lock file, so that nothing is compiled, and two objects with references."""
    image = {"directory": "app", "package": "app", "image": "registry.example/app", "digest": _DIGEST, "platforms": []}
    (tmp_path / "lock").write_text(json.dumps({"version": 1, "images": [image]}))
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(_OBJECT.replace("NAME", name))
    return tmp_path


@pytest.fixture
def pretended(tmp_path: Path) -> dict[str, str]:
    """An environment whose kubectl says what it was given, and exits with 7; or waits to be stopped."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "kubectl"
    program.write_text(
        '#!/bin/sh\nprintf "<%s>" "$@"\necho\necho words >&2\ncat\n'
        'if [ -n "$WAIT" ]; then trap "exit 42" INT TERM; touch "$WAIT"; while :; do sleep 0.05; done; fi\nexit 7\n'
    )
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("verb", ["apply", "create", "replace"])
def test_kubectl_gets_the_images_and_its_words_and_its_exit_code_is_krusts(
    krust: Krust, project: Path, pretended: dict[str, str], verb: str
) -> None:
    words = ["-f", "one.yaml", "-f", "two.yaml", "-l", "app=one", "--locked", "lock"]
    done = krust(verb, *words, "--", "-n", "x y", "--dry-run=server", env=pretended)
    assert (done.code, done.stderr) == (7, "words\n")
    image = f"registry.example/app@{_DIGEST}"
    expected = _OBJECT.replace("NAME", "one").replace("krust://app", image)
    assert done.stdout == f"<{verb}><-f><-><-n><x y><--dry-run=server>\n{expected}"


def test_delete_builds_nothing_and_needs_no_package(krust: Krust, project: Path, pretended: dict[str, str]) -> None:
    done = krust("delete", "-f", "two.yaml", "--", "--wait=false", env=pretended | {"CARGO": "/nonexistent"})
    assert (done.code, done.stderr) == (7, "words\n")
    assert done.stdout == f"<delete><-f><-><--wait=false>\n{_OBJECT.replace('NAME', 'two')}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_kubectls(krust: Krust, project: Path, pretended: dict[str, str], number: signal.Signals) -> None:
    waiting = project / "waiting"
    process = subprocess.Popen(
        [KRUST, "apply", "-f", "one.yaml", "--locked", "lock"],
        cwd=project,
        env={**os.environ, **pretended, "WAIT": str(waiting)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not waiting.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(10) == 42
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("verb", ["apply", "create", "replace", "delete"])
def test_without_kubectl_nothing_is_done(krust: Krust, project: Path, verb: str) -> None:
    done = krust(verb, "-f", "one.yaml", env={"PATH": str(project)})
    assert (done.code, done.stdout) == (127, "")
    assert done.stderr.startswith("krust: cannot find 'kubectl' on PATH; get it from https://kubernetes.io/")


@pytest.mark.parametrize("verb", ["apply", "delete"])
def test_an_option_of_kubectls_before_the_dashes_says_where_it_belongs(krust: Krust, verb: str) -> None:
    done = krust(verb, "-f", "one.yaml", "-n", "web")
    assert (done.code, done.stdout) == (2, "")
    assert f"no such option '-n' before '--'; kubectl's own follow it: 'krust {verb} -f k8s/ -- -n web'" in done.fault


def test_a_fault_applies_nothing(krust: Krust, project: Path, pretended: dict[str, str]) -> None:
    (project / "two.yaml").write_text("a: krust://gone\nb: krust://missing\n")
    done = krust("apply", "-f", "one.yaml", "-f", "two.yaml", "--locked", "lock", env=pretended)
    assert (done.code, done.stdout, len(done.stderr.splitlines())) == (1, "", 2)


def test_the_real_kubectl_takes_files_of_all_kinds_as_one_stream(krust: Krust, project: Path) -> None:
    objects = {
        "a.json": json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}}),
        "b.yaml": "%YAML 1.1\n---\n" + _OBJECT.replace("NAME", "directive"),
        "c.yaml": "# words\n---\n" + _OBJECT.replace("NAME", "comment") + "...",
        "d.yaml": "",
        "e.yaml": _OBJECT.replace("NAME", "unended").rstrip("\n"),
        "f.json": json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}}, indent=2),
        "g.yaml": "\ufeff" + _OBJECT.replace("NAME", "mark"),
    }
    (project / "all").mkdir()
    for name, text in objects.items():
        (project / "all" / name).write_text(text)
    with kubectl(require_tool("kubectl")) as real:
        flags = [f"--server={real.server}", "--dry-run=client", "--validate=false", "-o", "json"]
        done = krust("create", "-f", "all", "--locked", "lock", "--", *flags)
    assert done.code == 0, done.stderr
    items = json.loads(done.stdout.replace("}\n{", "},\n{").join("[]"))
    names = ["json", "directive", "comment", "unended", "more", "mark"]
    assert [item["metadata"]["name"] for item in items] == names
    assert {item["data"]["image"] for item in items if "data" in item} == {f"registry.example/app@{_DIGEST}"}
