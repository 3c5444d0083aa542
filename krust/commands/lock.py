"""lock: images out of a lock file, in the place of building them; and such a file of what was built."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from krust.cargo.git import Git
from krust.commands.deliver import reference
from krust.commands.texts import Wanted
from krust.errors import Faults, KubeError, SettingError
from krust.kube.lock import Locked, parse, written
from plumbing.errors import PlumbingError, system_words
from plumbing.store import Store

if TYPE_CHECKING:
    from krust.image.make import Made


class LockFile:
    """The images that are locked. Nothing is built, and cargo is not asked."""

    def __init__(self, path: Path) -> None:
        """Raises KubeError, Malformed."""
        try:
            raw = path.read_bytes()
        except OSError as error:
            what = f"{system_words(error)}; write it with 'krust resolve --lock {path}'"
            raise KubeError(f"cannot read '{path}': {what}") from error
        self._path = path
        locked = parse(raw, str(path))
        self._locked = {Wanted(directory=each.path(path.parent), binary=each.binary): each for each in locked}

    def packages(self) -> Mapping[str, Path]:
        return {each.package: wanted.directory for wanted, each in self._locked.items()}

    def is_package(self, directory: Path) -> bool:
        if (directory / "Cargo.toml").is_file():
            return True
        return directory.resolve() in {wanted.directory for wanted in self._locked}

    def images(self, wanted: Mapping[Wanted, str], faults: list[PlumbingError]) -> Mapping[Wanted, str]:
        for each, where in wanted.items():
            if each not in self._locked:
                then = f"resolve it with '--lock {self._path}' first"
                faults.append(KubeError(f"cannot use {where}: its image is not in '{self._path}'; {then}"))
        Faults.check(faults)
        return {each: self._locked[each].reference for each in wanted}


def lock_text(path: Path, store: Store, made: Mapping[Wanted, Made], env: Mapping[str, str]) -> str:
    """What the lock file at `path` is to hold of `made`."""
    gits: dict[Path | None, Git] = {}
    found = []
    for wanted, one in made.items():
        package = one.plan.executable.package
        git = gits.setdefault(one.plan.workspace, Git(one.plan.workspace or package.directory, env))
        image, _, _ = reference(store, one).rpartition("@")
        found.append(
            Locked(
                directory=Path(os.path.relpath(wanted.directory, path.parent.resolve())).as_posix(),
                binary=wanted.binary,
                package=package.name,
                image=image,
                digest=one.root.digest,
                platforms=one.plan.platforms,
                commit=_commit(git, package.manifest_path),
            )
        )
    return written(found)


def _commit(git: Git, manifest: Path) -> str | None:
    """None where git cannot say: the image's labels lack it then too, and why has been said."""
    try:
        return git.revision(manifest)
    except SettingError:
        return None
