"""Packages as cargo would tell of them, and what their settings come to."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from krust.cargo.git import Git
from krust.cargo.metadata import BinaryTarget, Executable, Package, Project
from krust.config.resolve import ImageSettings, resolve


class Case:
    """A package `hello` 1.2.3 in `folder`, alone in a workspace; no git, unless somebody makes a repository of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.person = folder / "person.toml"

    def package(self, metadata: str = "", *, bins: Sequence[str] = ("hello",), **fields: Any) -> Package:
        """`metadata` is TOML below [package.metadata.krust]."""
        executables = [Executable(kind="bin", name=name) for name in bins] + [Executable(kind="example", name="demo")]
        return Package(
            id="hello",
            name="hello",
            version="1.2.3",
            manifest_path=self.folder / "Cargo.toml",
            executables=tuple(executables),
            metadata={"krust": tomllib.loads(metadata)},
            **fields,
        )

    def project(self, package: Package, workspace: str = "") -> Project:
        """`workspace` is TOML below [workspace.metadata.krust]."""
        return Project(
            directory=self.folder,
            root=self.folder,
            target_directory=self.folder / "target",
            packages=(package,),
            default_members=(package.id,),
            metadata={"krust": tomllib.loads(workspace)},
        )

    def resolve(
        self,
        metadata: str = "",
        *,
        workspace: str = "",
        person: str = "",
        env: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
        bins: Sequence[str] = ("hello",),
        target: str = "hello",
        **fields: Any,
    ) -> ImageSettings:
        """What each place says is TOML; an example is built if `target` is none of `bins`."""
        self.person.write_text(person)
        project = self.project(self.package(metadata, bins=bins, **fields), workspace)
        return self.of(project, target, env=env, flags=flags)

    def of(
        self,
        project: Project,
        target: str,
        *,
        env: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> ImageSettings:
        [package] = project.packages
        is_bin = Executable(kind="bin", name=target) in package.executables
        return resolve(
            project,
            BinaryTarget(package=package, kind="bin" if is_bin else "example", name=target),
            flags=flags or {},
            env=env or {},
            user_config=self.person,
            git=Git(self.folder, env or {}),
        )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def setting(found: ImageSettings, key: str) -> Any:
    """What `krust config` would say of `key`: its value, and where it came from."""
    [one] = [each for each in found.settings if each.key == key]
    origin = one.origin
    return one.value, {name: str(each) for name, each in origin.items()} if isinstance(origin, Mapping) else str(origin)
