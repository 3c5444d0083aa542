"""What git says of the source: asked only when somebody wants to know, and once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from krust.cargo.process import answer
from krust.errors import CargoError, SettingError, ToolchainError
from plumbing.errors import shown, system_words

_UNBORN, _DETACHED = "(initial)", "(detached)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The commit, None before the first; the branch, None where HEAD is detached; whether tracked files differ."""

    commit: str | None
    branch: str | None
    dirty: bool


class Git:
    """The repository that `directory` is in, as the program `git` tells it. Nothing runs before a fact is read.

    Facts raise SettingError where there is no repository, or no git, or not the fact.
    """

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        self._directory = directory
        self._env = {**env, "LC_ALL": "C"}

    @cached_property
    def commit(self) -> str:
        """HEAD's, in full."""
        if self._head.commit is None:
            raise self._unborn("commit")
        return self._head.commit

    @cached_property
    def branch(self) -> str:
        if self._head.branch is None:
            raise self._fault("branch", "HEAD is detached, as CI often leaves it; check out a branch")
        return self._head.branch

    @cached_property
    def tag(self) -> str:
        """A tag of HEAD itself: the highest by version, where there are several."""
        if self._head.commit is None:
            raise self._unborn("tag")
        tags = self._ask("tag", "tag", "--points-at=HEAD", "--sort=-version:refname").splitlines()
        if not tags:
            raise self._fault("tag", "HEAD has none; 'git tag NAME' gives it one, and shallow clones need --tags")
        return tags[0]

    @cached_property
    def time(self) -> int:
        """When HEAD was committed: seconds since 1970-01-01 UTC."""
        if self._head.commit is None:
            raise self._unborn("time")
        said = self._ask("time", "-c", "log.showSignature=false", "show", "--no-patch", "--format=%ct", "HEAD").strip()
        if not re.fullmatch(r"-?[0-9]{1,12}", said):
            raise self._odd("time", said)
        return int(said)

    def revision(self, manifest: Path) -> str | None:
        """The commit that `manifest` and what belongs to it are of, with `-dirty` if a tracked file differs from it.

        None where there is no repository, no commit, or where it does not track `manifest`: its commits are of
        something else then.
        """
        if top(self._directory) is None and "GIT_DIR" not in self._env:
            return None
        if self._head.commit is None or os.path.realpath(manifest) not in self._manifests:
            return None
        return self._head.commit + ("-dirty" if self._head.dirty else "")

    @cached_property
    def _head(self) -> _Head:
        # git-status(1), "Porcelain Format Version 2". Files that nobody added do not make a tree dirty, as for
        # git describe --dirty: CI leaves too many of them lying about.
        said = self._ask("commit", "status", "--porcelain=v2", "--branch", "--untracked-files=no")
        lines = said.splitlines()
        facts = dict(line.removeprefix("# ").partition(" ")[::2] for line in lines if line.startswith("# branch."))
        if "branch.oid" not in facts or "branch.head" not in facts:
            raise self._odd("commit", said)
        commit, branch = facts["branch.oid"], facts["branch.head"]
        return _Head(
            commit=None if commit == _UNBORN else commit,
            branch=None if branch == _DETACHED else branch,
            dirty=any(not line.startswith("# ") for line in lines),
        )

    @cached_property
    def _manifests(self) -> frozenset[str]:
        """Each Cargo.toml that is tracked: one question for all packages of a workspace."""
        here = os.path.realpath(self._directory)
        names = self._ask("files", "ls-files", "-z", "--", ":(top)*Cargo.toml").split("\0")
        return frozenset(os.path.realpath(os.path.join(here, name)) for name in names if name)  # noqa: PTH118

    def _ask(self, fact: str, *words: str) -> str:
        # No locks: git's index may be in use by the person's own git, or on a read-only disk.
        command = ["git", "--no-optional-locks", *words]
        try:
            code, said, why = answer(command, cwd=self._directory, env=self._env, failure="cannot understand 'git'")
        except ToolchainError as error:
            cause = error.__cause__
            reason = system_words(cause) if isinstance(cause, OSError) else str(error)
            raise self._fault(fact, f"cannot start 'git': {reason}; install it") from error
        except CargoError as error:
            raise self._fault(fact, str(error)) from error
        if code:
            lines = [line for line in why.splitlines() if line.strip()]
            raise self._fault(fact, lines[0].removeprefix("fatal: ") if lines else f"git exited with {code}")
        return said

    def _unborn(self, fact: str) -> SettingError:
        return self._fault(fact, "nothing is committed yet; commit first")

    def _odd(self, fact: str, said: str) -> SettingError:
        return self._fault(fact, f"cannot understand 'git', which says '{shown(said)}'; update it")

    def _fault(self, fact: str, reason: str) -> SettingError:
        return SettingError(f"cannot tell git's {fact} in '{self._directory}': {reason}")


def top(directory: Path) -> Path | None:
    """The nearest directory upwards that has a `.git`: a folder, or the file that worktrees and submodules have."""
    return next((folder for folder in (directory, *directory.parents) if (folder / ".git").exists()), None)
