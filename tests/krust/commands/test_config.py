"""krust config: what a project's files, variables and directories come to, with real cargo."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from krust.config.keys import TABLE
from tests.krust.commands.conftest import Krust, write_project
from tests.tools import require_tool, run

_MAIN = "fn main() {}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A workspace of a package with two binaries and one with none of its own settings."""
    return write_project(
        tmp_path / "project",
        {
            "Cargo.toml": """\
                [workspace]
                members = ["greeter", "other"]
                resolver = "2"
                [workspace.metadata.krust]
                base = "scratch"
                repo = "ghcr.io/team"
                [workspace.metadata.krust.env]
                RUST_LOG = "info"
                SHARED = "yes"
                """,
            "greeter/Cargo.toml": """\
                [package]
                name = "greeter"
                version = "1.2.3"
                edition = "2021"
                license = "MIT"
                [package.metadata.krust]
                bin = "server"
                tags = ["{version}"]
                env = { RUST_LOG = "debug" }
                [package.metadata.krust.bins.server]
                ports = [8080]
                [package.metadata.krust.bins.worker]
                name = "greeter-worker"
                """,
            "greeter/src/bin/server.rs": _MAIN,
            "greeter/src/bin/worker.rs": _MAIN,
            "greeter/krustdata/hello.txt": "hello",
            "other/Cargo.toml": '[package]\nname = "other"\nversion = "0.1.0"\nedition = "2021"\n',
            "other/src/main.rs": _MAIN,
        },
    )


def test_it_prints_every_setting_with_its_value_and_where_it_is_from(krust: Krust, project: Path) -> None:
    found = krust("config", "other", cwd=project)
    assert (found.code, found.stderr) == (0, "")
    rows = [line.split() for line in found.stdout.splitlines()]
    assert list(dict.fromkeys(row[0].partition(".")[0] for row in rows)) == [key.name for key in TABLE]
    assert ["base", "scratch", "Cargo.toml", "[workspace.metadata.krust]"] in rows
    assert ["env.SHARED", "yes", "Cargo.toml", "[workspace.metadata.krust]"] in rows
    assert ["labels.org.opencontainers.image.title", "other", "other/Cargo.toml", "[package]"] in rows
    assert ["tags", '["latest"]', "default"] in rows
    assert ["user", "-", "default"] in rows
    starts = {line.index(row[1], len(row[0])) for line, row in zip(found.stdout.splitlines(), rows, strict=True)}
    assert len(starts) == 1, "the values stand in one column"


def test_json_has_the_whole_of_it(krust: Krust, project: Path) -> None:
    found = json.loads(krust("config", "--json", "greeter", cwd=project).stdout)
    manifest = f"{project}/greeter/Cargo.toml"
    assert list(found) == [key.name for key in TABLE]
    assert found["bin"] == {"value": "server", "from": f"{manifest} [package.metadata.krust]"}
    assert found["ports"] == {"value": ["8080"], "from": f"{manifest} [package.metadata.krust.bins.server]"}
    assert found["name"] == {"value": "server", "from": "default"}
    assert found["image"]["value"] == "ghcr.io/team/server"
    assert found["env"] == {
        "value": {"KRUST_DATA_PATH": "/krustdata", "RUST_LOG": "debug", "SHARED": "yes"},
        "from": {
            "KRUST_DATA_PATH": "krustdata/",
            "RUST_LOG": f"{manifest} [package.metadata.krust]",
            "SHARED": f"{project}/Cargo.toml [workspace.metadata.krust]",
        },
    }
    assert found["user"] == {"value": None, "from": "default"}


def test_a_tag_that_no_registry_takes_is_said_before_anything_is_built(krust: Krust, project: Path) -> None:
    manifest = project / "greeter/Cargo.toml"
    manifest.write_text(manifest.read_text().replace('"1.2.3"', '"1.2.3+build"'))  # which is fine for cargo
    found = krust("config", "greeter", cwd=project)
    assert found.code == 1
    where = f"in '{project}/greeter/Cargo.toml' at 'package.metadata.krust.tags[0]'"
    assert found.fault.startswith(f"krust: malformed tag '1.2.3+build' {where}: expected ")


def test_binaries_and_packages_are_chosen_as_by_build(krust: Krust, project: Path) -> None:
    assert json.loads(krust("config", "--json", "-p", "other", cwd=project).stdout)["bin"]["value"] == "other"
    worker = json.loads(krust("config", "--json", "-p", "greeter", "--bin", "worker", cwd=project).stdout)
    assert worker["image"]["value"] == "ghcr.io/team/greeter-worker"
    assert worker["bin"] == {"value": "worker", "from": "default"}
    assert "several binaries" in krust("config", cwd=project).fault


def test_the_person_and_the_environment_count(krust: Krust, project: Path, tmp_path: Path) -> None:
    write_project(tmp_path, {"home/krust/config.toml": 'repo = "ghcr.io/me"\nplatforms = ["linux/arm64"]\n'})
    env = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "KRUST_BASE": "alpine:{env.RELEASE}", "RELEASE": "3"}
    found = json.loads(krust("config", "--json", "other", cwd=project, env=env).stdout)
    assert found["platforms"] == {"value": ["linux/arm64"], "from": f"{tmp_path}/home/krust/config.toml"}
    assert found["repo"]["value"] == "ghcr.io/team"
    assert found["base"] == {"value": "alpine:3", "from": "KRUST_BASE"}


def test_git_tells_the_revision(krust: Krust, project: Path) -> None:
    who = {f"GIT_{role}_{what}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    git = require_tool("git")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        run(git, *words, cwd=project, env=who)
    commit = run(git, "rev-parse", "HEAD", cwd=project).stdout.decode().strip()

    def revision() -> str:
        found = json.loads(krust("config", "--json", "other", cwd=project).stdout)
        assert found["labels"]["from"]["org.opencontainers.image.revision"] == "git"
        return str(found["annotations"]["value"]["org.opencontainers.image.revision"])

    assert revision() == commit
    (project / "other/src/main.rs").write_text(f"//\n{_MAIN}")
    assert revision() == f"{commit}-dirty"


def test_where_git_cannot_tell_a_person_is_told(krust: Krust, project: Path, tmp_path: Path) -> None:
    (project / ".git").mkdir()  # which is no repository
    found = krust("config", "other", cwd=project)
    assert found.code == 0
    assert found.fault.startswith(f"krust: cannot tell git's commit in '{project}': not a git repository")


@pytest.mark.parametrize("directory", ["nowhere", "."])
def test_no_project_is_an_error(directory: str, krust: Krust, tmp_path: Path) -> None:
    found = krust("config", directory)
    assert (found.code, found.stdout) == (1, "")
    assert found.fault.startswith(f"krust: cannot build '{directory}': no ")


def test_an_unknown_key_is_an_error_with_the_nearest(krust: Krust, project: Path) -> None:
    manifest = project / "other/Cargo.toml"
    manifest.write_text(f"{manifest.read_text()}[package.metadata.krust]\nplatform = 'local'\n")
    place = f"in '{os.path.realpath(manifest)}' at 'package.metadata.krust.platform'"
    assert krust("config", "other", cwd=project).fault == (
        f"krust: unknown setting 'platform' {place}: did you mean 'platforms'?"
    )
