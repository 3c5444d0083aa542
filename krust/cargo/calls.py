"""Which executables one cargo call can be asked for, and what becomes of two that have one name."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from krust.cargo.metadata import BinaryTarget
from krust.errors import CargoError
from plumbing.errors import system_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Executables that one cargo call can be asked for: it selects each package that has one of the names.

    alone  no other call has an executable of the same name, which cargo would put in the same place
    """

    binaries: tuple[BinaryTarget, ...]
    alone: bool


def grouped(binaries: Iterable[BinaryTarget]) -> list[Selected]:
    """`binaries` in as few calls as cargo's words allow: `-p a -p b --bin x` means the x of both."""
    groups: list[list[BinaryTarget]] = []
    for wanted in dict.fromkeys(binaries):
        for group in groups:
            if _can_be_said([*group, wanted]):
                group.append(wanted)
                break
        else:
            groups.append([wanted])
    packages_of = Counter((each.kind, each.name) for group in groups for each in group)
    return [
        Selected(binaries=tuple(group), alone=all(packages_of[each.kind, each.name] == 1 for each in group))
        for group in groups
    ]


def _can_be_said(group: Sequence[BinaryTarget]) -> bool:
    """Whether the packages and names of `group` select its members and nothing else, each name once."""
    names = {(each.kind, each.name) for each in group}
    packages = {each.package.id: each.package for each in group}.values()
    selected = [each for package in packages for each in package.executables if (each.kind, each.name) in names]
    return len(selected) == len(group) == len(names)


def set_aside(path: Path, binary: BinaryTarget) -> Path:
    """A name of its own for the executable at `path`, whose name is also that of another package's."""
    kept = path.parent / ".krust" / binary.package.name / path.name
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        try:
            kept.hardlink_to(path)  # cargo makes a new file in its place, and leaves this one
        except OSError:  # a file system without them
            shutil.copy2(path, kept)
    except OSError as error:
        raise CargoError(f"cannot set '{path}' aside in '{kept.parent}': {system_words(error)}; make room") from error
    return kept
