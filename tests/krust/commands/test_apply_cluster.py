"""krust apply and its kin with a real API server: what was applied is read back, its images are pulled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.krust.commands.conftest import Krust, Outcome, write_project
from tests.krust.kube.apiserver import apiserver
from tests.registry.faults import registry
from tests.tools import EXAMPLES, require_tool, run

pytestmark = pytest.mark.slow

_OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {image: krust://app}\n"
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


def test_kubectls_words_reach_the_cluster(krust: Krust, tmp_path: Path) -> None:
    """What they mean is kubectl's and the server's; nothing is built."""
    kubectl = require_tool("kubectl")
    image = {"image": "registry.example/app", "digest": f"sha256:{'1' * 64}", "platforms": []}
    lock = {"version": 1, "images": [{"directory": "app", "package": "app", **image}]}
    (tmp_path / "lock").write_text(json.dumps(lock))
    (tmp_path / "a.yaml").write_text(_OBJECT)
    with apiserver(tmp_path / "cluster") as flags:
        config = {"KUBECONFIG": str(tmp_path / "config")}
        server, insecure, token = flags
        for words in (
            ("set-cluster", "test", server, insecure),
            ("set-credentials", "tester", token),
            ("set-context", "staging", "--cluster=test", "--user=tester"),
        ):
            run(kubectl, "config", *words, env=config)
        staging = ["--context", "staging", "-n", "web"]

        def there() -> str:
            return run(kubectl, "get", "configmaps", "-o", "jsonpath={..image}", *staging, env=config).stdout.decode()

        def ask(verb: str, *words: str, source: str = "a.yaml") -> Outcome:
            more = ["--locked", "lock"] if verb != "delete" else []
            return krust(verb, "-f", source, *more, "--", *staging, *words, env=config)

        nowhere = ask("apply")
        assert (nowhere.code, nowhere.stdout) == (1, "")
        assert 'namespaces "web" not found' in nowhere.stderr
        run(kubectl, "create", "namespace", "web", *flags)
        dry = ask("create", "--dry-run=server", "--field-manager=test")
        assert (dry.code, dry.stdout, there()) == (0, "configmap/a created (server dry run)\n", "")
        assert ask("create").code == 0
        assert there() == f"registry.example/app@sha256:{'1' * 64}"
        (tmp_path / "b.yaml").write_text(_OBJECT.replace("krust://app", "none"))
        assert ask("replace", source="b.yaml").stdout == "configmap/a replaced\n"
        assert there() == "none"
        assert ask("apply", "--server-side").code == 1, "a conflict with who replaced it"
        assert ask("apply", "--server-side", "--force-conflicts").stdout == "configmap/a serverside-applied\n"
        assert there() == f"registry.example/app@sha256:{'1' * 64}"
        gone = ask("delete", "--wait=false")
        assert (gone.code, gone.stdout, there()) == (0, 'configmap "a" deleted\n', "")


def _image(item: dict[str, Any]) -> str:
    spec = item["spec"].get("jobTemplate", item)["spec"]["template"]["spec"]
    return str(spec["containers"][0]["image"])
