"""Selection: which executables are meant, where several may be. The Cargo book, "cargo build", "Target Selection"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from krust.cargo.metadata import BinaryTarget, Kind, Package, Project, choose
from krust.errors import ProjectError


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The names that were given. With none of them, the one executable that `cargo run` would run.

    executables  by kind and name, in the order of their images
    workspace    every binary of every member; of a member with `default-run`, that one
    """

    packages: tuple[str, ...] = ()
    executables: tuple[tuple[Kind, str], ...] = ()
    workspace: bool = False


def select(project: Project, directory: Path, selection: Selection) -> list[BinaryTarget]:
    """The executables that `selection` means, in its order, each once. Raises ProjectError, listing the candidates."""
    if selection.workspace:
        return _all(project)
    if not selection.executables:
        packages: Sequence[str | None] = selection.packages or (None,)
        found = [choose(project, directory, package=package) for package in packages]
    else:
        found = [_named(project, directory, selection.packages, kind, name) for kind, name in selection.executables]
    return list(dict.fromkeys(found))


def _all(project: Project) -> list[BinaryTarget]:
    found = [
        BinaryTarget(package=package, kind=executable.kind, name=executable.name)
        for package in project.packages
        for executable in package.executables
        if executable.kind == "bin" and package.default_run in (None, executable.name)
    ]
    if not found:
        raise ProjectError(f"cannot build the workspace '{project.root}': no member has a binary target")
    return found


def _named(project: Project, directory: Path, packages: Sequence[str], kind: Kind, name: str) -> BinaryTarget:
    """The executable `name`, in the one of `packages` that has it."""
    having = [package for package in packages if _has(project, package, kind, name)]
    if len(having) > 1:
        raise ProjectError(f"cannot choose {kind} '{name}': {' and '.join(having)} have it; name one of them alone")
    if len(packages) > 1 and not having:
        what = "example" if kind == "example" else "binary"
        raise ProjectError(
            f"cannot build {what} '{name}': none of {', '.join(packages)} has it; name the package that has"
        )
    package = having[0] if having else (packages[0] if packages else None)
    if kind == "bin":
        return choose(project, directory, package=package, binary=name)
    return choose(project, directory, package=package, example=name)


def _has(project: Project, package: str, kind: Kind, name: str) -> bool:
    found = (each for each in project.packages if package in (each.name, f"{each.name}@{each.version}", each.id))
    return any(_holds(each, kind, name) for each in found)


def _holds(package: Package, kind: Kind, name: str) -> bool:
    return any(executable.kind == kind and executable.name == name for executable in package.executables)
