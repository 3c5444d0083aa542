"""examples/ for GitOps, Argo CD, Skaffold and Tekton: those who read the files take them, and their commands do it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.krust.kube.apiserver import FOLDER, apiserver
from tests.registry.faults import registry
from tests.tools import EXAMPLES, require, require_tool, run

_IMAGE = r"[\w.:/-]+/web@sha256:[0-9a-f]{64}"
# The commit in each image would make each commit of images another image.
_MANIFEST = """\
[package]
name = "web"
version = "1.2.3"
edition = "2021"

[package.metadata.krust]
labels = { "org.opencontainers.image.revision" = false }
"""
_POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: krust://../web}]}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone with examples/, a small program as its `web`, and YAML that refers to it."""
    require_tool(os.environ.get("CARGO", "cargo"))
    ignore = shutil.ignore_patterns("target", ".krust", "src", "Cargo.lock")
    shutil.copytree(EXAMPLES, tmp_path / "clone/examples", ignore=ignore)
    web = tmp_path / "clone/examples/web"
    (web / "Cargo.toml").write_text(_MANIFEST)
    (web / "Cargo.lock").write_text('version = 4\n\n[[package]]\nname = "web"\nversion = "1.2.3"\n')
    (web / "src").mkdir()
    (web / "src/main.rs").write_text("fn main() {}\n")
    shutil.copytree(web, tmp_path / "clone/web")
    (tmp_path / "clone/k8s").mkdir()
    (tmp_path / "clone/k8s/web.yaml").write_text(_POD)
    return tmp_path / "clone"


def _git(folder: Path, *words: str) -> str:
    person = ("-c", "user.name=A", "-c", "user.email=a@host.example")
    return run(require_tool("git"), "-C", folder, *person, *words).stdout.decode()


@pytest.mark.slow
def test_gitops_commits_images_once_and_again_when_they_change(project: Path) -> None:
    remote = project.with_name("remote")
    _git(project, "init", "--quiet", "--initial-branch=main")
    (project / ".gitignore").write_text("target\n.krust\n")
    run(require_tool("git"), "init", "--quiet", "--bare", remote)
    _git(project, "remote", "add", "origin", str(remote))
    _git(project, "config", "push.autoSetupRemote", "true")
    _git(project, "config", "user.name", "A")
    _git(project, "config", "user.email", "a@host.example")
    _git(project, "add", ".")
    _git(project, "commit", "--quiet", "--message", "all")
    with registry() as r:
        for source, commits in (("fn main() {}\n", 2), ("fn main() {}\n", 2), ('fn main() { print!("x"); }\n', 4)):
            (project / "web/src/main.rs").write_text(source)
            if commits == 4:
                _git(project, "commit", "--quiet", "--all", "--message", "x")
            run(project / "examples/gitops/update", "k8s", "--repo", r.host, cwd=project)
            log = _git(project, "log", "--format=%s", "origin/main").splitlines()
            assert len(log) == commits
            assert log[0].startswith("k8s: images of ")
            pushed = _git(project, "show", "origin/main:k8s/web.yaml")
            assert re.search(rf"image: {_IMAGE}\}}\]\}} # krust://\.\./web\n", pushed)


@pytest.mark.slow
def test_argo_cds_plugin_makes_yaml_of_a_lock_file_and_builds_nothing(project: Path) -> None:
    plugin = yaml.safe_load((EXAMPLES / "argo-cd/plugin.yaml").read_text())["spec"]
    folder = project / "k8s"
    with registry() as r:
        tested = run(
            "krust", "resolve", "-q", "-f", ".", "--repo", r.host, "--lock", plugin["discover"]["fileName"], cwd=folder
        ).stdout
    made = run(*plugin["generate"]["command"], cwd=folder, env={"CARGO": "/bin/false"}).stdout
    assert made == tested
    assert re.search(_IMAGE, made.decode())


@pytest.mark.slow
def test_skaffold_builds_by_krust_and_renders_the_digest(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(FOLDER), prepend=os.pathsep)
    skaffold = require_tool("skaffold")
    folder = project / "examples/skaffold"
    quiet = {"SKAFFOLD_UPDATE_CHECK": "false", "SKAFFOLD_INTERACTIVE": "false"}
    run(skaffold, "config", "set", "--global", "collect-metrics", "false", env=quiet)
    with registry() as r:
        repo = f"--default-repo={r.host}/team"
        run(skaffold, "build", repo, "--tag=v1", "--file-output=built.json", cwd=folder, env=quiet)
        [built] = json.loads((folder / "built.json").read_text())["builds"]
        tagged = r.store.refs.get("team/web:v1")
        assert tagged
        assert built == {"imageName": "web", "tag": f"{r.host}/team/web:v1@{tagged.digest}"}
        both = ["--platform=linux/amd64,linux/arm64", "--tag=v2", "--file-output=both.json"]
        run(skaffold, "build", repo, *both, cwd=folder, env=quiet)
        index = r.store.refs.get("team/web:v2")
        assert index
        assert index.media_type == "application/vnd.oci.image.index.v1+json"
        words = [repo, "--build-artifacts=built.json", "--loud=false"]
        rendered = run(skaffold, "render", "--offline", *words, cwd=folder, env=quiet).stdout
    assert yaml.safe_load(rendered)["spec"]["containers"] == [{"name": "web", "image": built["tag"]}]


@pytest.mark.slow
def test_a_cluster_with_tekton_and_argo_cd_takes_the_objects(tmp_path: Path) -> None:
    """By their own definitions, where an unknown field is an error."""
    kubectl, definitions = require_tool("kubectl"), FOLDER / "definitions"
    require(definitions.is_dir(), f"no '{definitions}': 'tests/kube-apiserver/build' gets it")
    with apiserver(tmp_path / "cluster") as flags:
        run(kubectl, "create", "-f", definitions, *flags)
        deadline = time.monotonic() + 60  # not by kubectl wait, which fails where nothing is said of one yet
        while not _established(json.loads(run(kubectl, "get", "crds", "-o", "json", *flags).stdout)["items"]):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        run(kubectl, "create", "namespace", "argocd", *flags)
        files: list[str | Path] = ["-f", EXAMPLES / "tekton", "-f", EXAMPLES / "argo-cd/application.yaml"]
        done = run(kubectl, "create", "--dry-run=server", "-o", "name", *files, *flags).stdout.decode().split()
        kinds = [line.partition("/")[0] for line in done]
        assert kinds == [
            "pipeline.tekton.dev", "pipelinerun.tekton.dev", "task.tekton.dev", "task.tekton.dev",
            "application.argoproj.io",
        ]  # fmt: skip
        wrong = (EXAMPLES / "tekton/tasks.yaml").read_text().replace("optional: true", "optionel: true")
        refused = subprocess.run(
            [kubectl, "create", "--dry-run=server", "-f", "-", *flags], input=wrong.encode(), capture_output=True
        )
        assert b'unknown field "spec.workspaces[1].optionel"' in refused.stderr


def _established(definitions: list[dict[str, Any]]) -> bool:
    conditions = [each.get("status", {}).get("conditions") or [] for each in definitions]
    return all(any(one["type"] == "Established" and one["status"] == "True" for one in each) for each in conditions)


@pytest.mark.slow
def test_tektons_step_builds_pushes_and_tells_the_images(project: Path, tmp_path: Path) -> None:
    """What its pod would run, with what Tekton puts in for variables."""
    task = next(yaml.safe_load_all((EXAMPLES / "tekton/tasks.yaml").read_text()))
    [step] = task["spec"]["steps"]
    with registry() as r:
        values = {
            "params.repo": r.host,
            "params.files": "k8s",
            "workspaces.source.path": str(project),
            "workspaces.dockerconfig.path": str(tmp_path),
            "results.images.path": str(tmp_path / "images"),
        }
        (tmp_path / "script").write_text(_put_in(step["script"], values))
        (tmp_path / "script").chmod(0o755)
        assert step["args"] == ["$(params.platforms[*])"]
        platforms = ["linux/amd64", "linux/arm64"]
        env = {each["name"]: _put_in(each["value"], values) for each in step["env"]}
        run(tmp_path / "script", *platforms, cwd=Path(_put_in(step["workingDir"], values)), env=env)
        [image] = (tmp_path / "images").read_text().split()
        assert re.fullmatch(_IMAGE, image)
        tagged = r.store.refs.get("web:latest")
        assert tagged
        assert (image, tagged.media_type) == (
            f"{r.host}/web@{tagged.digest}",
            "application/vnd.oci.image.index.v1+json",
        )
    assert (project / "resolved.yaml").read_text() == _POD.replace("krust://../web", image)


def _put_in(text: str, values: Mapping[str, Any]) -> str:
    return re.sub(r"\$\(([\w.]+)\)", lambda found: str(values[found[1]]), text)
