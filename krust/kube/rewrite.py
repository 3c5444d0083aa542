"""Rewrite: several files edited in place, all of them or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from krust.errors import KubeError
from plumbing.errors import system_words
from plumbing.files import BEFORE, staging, sync_folder
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
    with ExitStack() as stack:

        @cache
        def beside(folder: Path) -> Path:
            return stack.enter_context(staging(folder))

        staged: list[_Staged] = []
        for each in files:
            if each.before != each.after:
                with _failing(each.path):
                    path = each.path.resolve(strict=True)
                    staged.append(_Staged.write(each, path, beside(path.parent), len(staged)))
        for one in staged:
            with _failing(one.name):
                if Digest.of(one.path.read_bytes()) != one.before:
                    raise KubeError(f"cannot write '{one.name}': somebody has changed it meanwhile; try again")
        _replace(staged)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staged:
    """The new file, and later the old one, in a folder beside `path`, so that a rename puts either there.

    name    what it was called; `path` is what that leads to
    number  its name in the folder, which others may share
    """

    name: Path
    path: Path
    before: Digest
    folder: Path
    number: int

    @classmethod
    def write(cls, edited: Edited, path: Path, folder: Path, number: int) -> _Staged:
        one = cls(name=edited.path, path=path, before=Digest.of(edited.before), folder=folder, number=number)
        with one.new.open("wb") as file:
            file.write(edited.after)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, one.new)
        return one

    @property
    def new(self) -> Path:
        return self.folder / str(self.number)

    @property
    def old(self) -> Path:
        return self.folder / BEFORE / str(self.number)

    def keep_old(self) -> None:
        self.old.parent.mkdir(exist_ok=True)
        try:
            os.link(self.path, self.old)
        except OSError:  # no file system for hard links
            shutil.copy(self.path, self.old)

    def put_back(self) -> bool:
        """Whether the old file is where it was."""
        try:
            if Digest.of(self.path.read_bytes()) != self.before:
                self.old.replace(self.path)
        except OSError:
            return False
        return True


def _replace(staged: list[_Staged]) -> None:
    """Rename all, or, at a failure or an interrupt, put back those that were; what cannot be keeps its old file."""
    done: list[_Staged] = []
    lost: list[_Staged] = []
    try:
        for one in staged:
            with _failing(one.name):
                one.keep_old()
        for one in staged:
            with _failing(one.name):
                done.append(one)
                one.new.replace(one.path)
        for folder in {one.path.parent for one in staged}:
            with _failing(folder):
                sync_folder(folder)
    except BaseException as error:
        lost = [one for one in done if not one.put_back()]
        if lost:
            words = "it is written already; what it was is in"
            where = [f"cannot put back '{one.name}': {words} '{one.old}'" for one in lost]
            raise KubeError(*str(error).split("\n"), *where) from error
        raise
    finally:
        for one in staged:
            if one not in lost:
                with suppress(OSError):
                    one.old.unlink()
        for before in {one.old.parent for one in staged}:
            with suppress(OSError):  # an old file is in it, or it was never made
                before.rmdir()


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KubeError(f"cannot write '{path}': {system_words(error)}; try again when it can be written") from error
