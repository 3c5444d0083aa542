from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from krust.cargo.git import Git, top
from krust.errors import SettingError
from tests.tools import require_tool, run

_WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_AUTHOR_DATE": "1700000000 +0100",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_COMMITTER_DATE": "1700000000 +0100",
}

Shell = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Shell:
    """Run git in `tmp_path`, which is a repository."""
    require_tool("git")

    def git(*words: str | Path) -> str:
        return run("git", *words, cwd=tmp_path, env=_WHO).stdout.decode().strip()

    git("init", "--quiet", "--initial-branch=main")
    return git


@pytest.fixture
def committed(git: Shell, tmp_path: Path) -> Shell:
    (tmp_path / "Cargo.toml").write_text("[package]\n")
    git("add", ".")
    git("commit", "--quiet", "--message=one")
    return git


def asked(directory: Path, **env: str) -> Git:
    return Git(directory, {**os.environ, **env})


def test_facts_of_the_commit(committed: Shell, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for directory in (tmp_path, tmp_path / "below"):
        facts = asked(directory)
        assert facts.commit == committed("rev-parse", "HEAD")
        assert (facts.branch, facts.time) == ("main", 1700000000)
        assert facts.revision(tmp_path / "Cargo.toml") == facts.commit


def test_a_tag_is_one_of_the_commit_itself_and_the_highest(committed: Shell, tmp_path: Path) -> None:
    for name in ("v1.9.0", "v1.10.0", "v1.2.0"):
        committed("tag", name)
    assert asked(tmp_path).tag == "v1.10.0"
    committed("commit", "--quiet", "--allow-empty", "--message=two")
    with pytest.raises(SettingError, match=r"cannot tell git's tag in '.*': HEAD has none"):
        _ = asked(tmp_path).tag


def test_a_detached_head_has_no_branch(committed: Shell, tmp_path: Path) -> None:
    committed("checkout", "--quiet", "--detach")
    with pytest.raises(SettingError, match=r"cannot tell git's branch in '.*': HEAD is detached"):
        _ = asked(tmp_path).branch


def test_a_dirty_tree_is_no_commits_and_a_stray_file_makes_none(committed: Shell, tmp_path: Path) -> None:
    manifest = tmp_path / "Cargo.toml"
    (tmp_path / "stray").touch()
    assert asked(tmp_path).revision(manifest) == asked(tmp_path).commit
    manifest.write_text("[workspace]\n")
    assert asked(tmp_path).revision(manifest) == f"{asked(tmp_path).commit}-dirty"


def test_a_manifest_that_is_not_tracked_has_no_revision(committed: Shell, tmp_path: Path) -> None:
    stray = tmp_path / "stray/Cargo.toml"
    stray.parent.mkdir()
    stray.touch()
    assert asked(stray.parent).revision(stray) is None
    assert asked(stray.parent).revision(tmp_path / "Cargo.toml") == asked(tmp_path).commit


def test_a_member_outside_of_the_workspaces_directory_is_tracked_too(committed: Shell, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    assert asked(tmp_path / "below").revision(tmp_path / "below/../Cargo.toml") == asked(tmp_path).commit


def test_before_the_first_commit_there_is_no_revision(git: Shell, tmp_path: Path) -> None:
    assert asked(tmp_path).revision(tmp_path / "Cargo.toml") is None
    assert asked(tmp_path).branch == "main"
    for fact in ("commit", "tag", "time"):
        with pytest.raises(SettingError, match=f"cannot tell git's {fact} in '{tmp_path}': nothing is committed yet"):
            getattr(asked(tmp_path), fact)


def test_no_repository_has_no_revision_and_no_facts(tmp_path: Path) -> None:
    require_tool("git")
    assert asked(tmp_path).revision(tmp_path / "Cargo.toml") is None
    with pytest.raises(SettingError, match=f"cannot tell git's commit in '{tmp_path}': not a git repository"):
        _ = asked(tmp_path).commit


def test_git_runs_only_when_asked_and_once(committed: Shell, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    real = require_tool("git")
    (programs / "git").write_text(f'#!/bin/sh\necho "$@" >> {programs}/log\nexec {real} "$@"\n')
    (programs / "git").chmod(0o755)
    facts = asked(tmp_path, PATH=f"{programs}:{os.environ['PATH']}")
    assert not (programs / "log").exists()
    for _ in range(2):
        assert (facts.commit, facts.branch) == (facts.revision(tmp_path / "Cargo.toml"), "main")
    assert len((programs / "log").read_text().splitlines()) == 2


@pytest.mark.parametrize("env", [{"PATH": "/nowhere"}])
def test_no_git_is_an_error(committed: Shell, tmp_path: Path, env: Mapping[str, str]) -> None:
    with pytest.raises(SettingError, match="cannot start 'git': no such file or directory; install it"):
        _ = asked(tmp_path, **env).commit


def test_the_top_has_a_folder_or_a_file(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    assert top(inner) is None
    (tmp_path / ".git").mkdir()
    assert top(inner) == tmp_path
    (tmp_path / "a/.git").write_text("gitdir: ../x\n")
    assert top(inner) == tmp_path / "a"
