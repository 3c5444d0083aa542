"""Rewrite: several files edited in place, all of them or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from krust.errors import KubeError
from plumbing.oci.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A file's bytes as they were read, and as they are to be."""

    path: Path
    before: bytes
    after: bytes


def rewrite(files: Iterable[Edited]) -> None:
    """Replace each file by what it is to be, whole; a link stays, and what it leads to is replaced. Modes stay.

    files   each is let go of once the next is asked for; what that raises leaves all as they are
    raises  KubeError where a file cannot be written, or is not what was read; all are as they were then, or where the
            disk does not allow that either, it says so, and where the old file is
    """
    staged: list[_Staged] = []
    try:
        for each in files:
            if each.before != each.after:
                with _failing(each.path):
                    staged.append(_Staged.beside(each))
        for one in staged:
            with _failing(one.name):
                if Digest.of(one.path.read_bytes()) != one.before:
                    raise KubeError(f"cannot write '{one.name}': somebody has changed it meanwhile; try again")
        _replace(staged)
    finally:
        for one in staged:
            shutil.rmtree(one.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staged:
    """The new file and the old one, in a folder beside `path`, so that a rename puts either there.

    name  what it was called; `path` is what that leads to
    """

    name: Path
    path: Path
    before: Digest
    folder: Path

    @classmethod
    def beside(cls, edited: Edited) -> _Staged:
        path = edited.path.resolve(strict=True)
        folder = Path(tempfile.mkdtemp(prefix=".krust.", dir=path.parent))
        one = cls(name=edited.path, path=path, before=Digest.of(edited.before), folder=folder)
        try:
            with one.new.open("wb") as file:
                file.write(edited.after)
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(path, one.new)
            try:
                os.link(path, one.old)
            except OSError:  # no file system for hard links
                shutil.copy(path, one.old)
        except BaseException:
            shutil.rmtree(one.folder, ignore_errors=True)
            raise
        return one

    @property
    def new(self) -> Path:
        return self.folder / "new"

    @property
    def old(self) -> Path:
        return self.folder / "old"


def _replace(staged: list[_Staged]) -> None:
    """Rename all, or, at a failure or an interrupt, put back those that were; what cannot be is no longer `staged`."""
    done: list[_Staged] = []
    try:
        for one in staged:
            with _failing(one.name):
                done.append(one)
                one.new.replace(one.path)
        for one in staged:
            with _failing(one.name):
                _sync(one.path.parent)
    except BaseException as error:
        if lost := [one for one in done if not _put_back(one)]:
            for one in lost:
                staged.remove(one)  # with the folder that has the old file
            where = "\n".join(
                f"cannot put back '{one.name}': it is written already; what it was is in '{one.old}'" for one in lost
            )
            raise KubeError(f"{error}\n{where}") from error
        raise


def _sync(folder: Path) -> None:
    """Or a power cut takes back the renames in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_back(one: _Staged) -> bool:
    try:
        if Digest.of(one.path.read_bytes()) != one.before:
            one.old.replace(one.path)
    except OSError:
        return False
    return True


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise KubeError(f"cannot write '{path}': {words}; try again when it can be written") from error
