"""krust apply and its kin with a real API server: what was applied is read back, its images are pulled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.krust.commands.conftest import Krust, write_project
from tests.krust.kube.apiserver import apiserver
from tests.registry.faults import registry
from tests.tools import EXAMPLES, require_tool, run

pytestmark = pytest.mark.slow

_MANIFEST = '[package]\nname = "NAME"\nversion = "1.2.3"\nedition = "2021"\n'


def test_what_is_applied_is_there_and_its_images_can_be_pulled(krust: Krust, tmp_path: Path) -> None:
    kubectl = require_tool("kubectl")
    for name in ("web", "hello-krust"):
        write_project(tmp_path / name, {"Cargo.toml": _MANIFEST.replace("NAME", name), "src/main.rs": "fn main() {}\n"})
    (tmp_path / "k8s").mkdir()
    for source in (EXAMPLES / "k8s").glob("*.yaml"):
        (tmp_path / "k8s" / source.name).write_bytes(source.read_bytes())
    with apiserver(tmp_path / "cluster") as flags, registry() as r:
        applied = krust("apply", "-f", "k8s", "--repo", r.host, "--", *flags, "--server-side")
        assert applied.code == 0, applied.stderr
        assert len(applied.stdout.splitlines()) == 4
        kinds = "deployment,job,cronjob"
        found = json.loads(run(kubectl, "get", kinds, "-o", "json", *flags).stdout)["items"]
        images = {item["metadata"]["name"]: _image(item) for item in found}
        assert sorted(images) == ["hello", "nightly", "web"]
        for image in images.values():
            fetched = krust("fetch", "--store", tmp_path / "pulled", image)
            assert fetched.code == 0, fetched.stderr
        again = krust("apply", "-f", "k8s", "--repo", r.host, "--", *flags, "--server-side")
        assert again.code == 0, again.stderr
        there = krust("create", "-f", "k8s", "--repo", r.host, "--", *flags)
        assert there.code == 1
        assert "AlreadyExists" in there.stderr
        deleted = krust("delete", "-f", "k8s", "-l", "app=web", "--", *flags, "--wait=false")
        assert deleted.stdout.splitlines() == ['deployment.apps "web" deleted', 'service "web" deleted']
        left = run(kubectl, "get", kinds, "-o", "name", *flags).stdout.decode().split()
        assert sorted(left) == ["cronjob.batch/nightly", "job.batch/hello"]


def _image(item: dict[str, Any]) -> str:
    spec = item["spec"].get("jobTemplate", item)["spec"]["template"]["spec"]
    return str(spec["containers"][0]["image"])
