"""files: what an image has beside its binary, from `files` and krustdata, as sources of one layer.

A symbolic link is replaced by what it leads to, so that none can lead astray in the image; it may lead anywhere in the
repository, and nowhere else. A `.krustignore` says what is left out, by the patterns of gitignore(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from krust.cargo.git import top
from krust.cargo.metadata import Project
from krust.config.resolve import DATA, ImageSettings
from krust.config.values import File
from krust.errors import SettingError
from plumbing.errors import shown
from plumbing.layer.entries import Source, unreadable
from plumbing.store.store import FOLDER as STORE

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE = ".krustignore"

_STARS = r"(?<!\\)\*{3,}"
"""What means one star, and would take pathspec as good as for ever. gitignore(5), "Pattern Format"."""

_NEVER = (IGNORE, ".git", STORE)
"""What is about the source, wherever it stands."""


@dataclass(frozen=True, slots=True)
class _Patterns:
    """One .krustignore: what it says of paths below its directory. gitignore(5), "Pattern Format"."""

    folder: Path
    spec: GitIgnoreSpec

    def verdict(self, path: Path, *, is_dir: bool) -> bool | None:
        """Whether `path` is left out; None: nothing is said of it."""
        below = path.relative_to(self.folder).as_posix()
        return self.spec.check_file(f"{below}/" if is_dir else below).include


def sources(project: Project, settings: ImageSettings) -> tuple[Source, ...]:
    """What the layer of files is made of, in no order; nothing if there is to be none.

    raises  SettingError for a link that leads nowhere, in a circle, or out of the repository; SourceError for what is
            not there or cannot be read
    """
    package = settings.target.package.directory
    tree = _Tree(package, _repository(project, package))
    found: list[Source] = []
    if settings.data is not None:
        if not _is_dir(settings.data):
            raise SettingError(f"cannot use '{settings.data}': it is no directory; name it otherwise, or make it one")
        data = f"/{DATA}"
        found.append(Source(src=None, dest=data))  # also if all that is in it is left out: a variable names it
        found += tree.sources(File(src=settings.data, dest=data))
    for file in settings.files:
        found += tree.sources(file)
    return tuple(found)


class _Tree:
    """What of the repository, which is all below `roots`, may go into an image of `package`."""

    def __init__(self, package: Path, roots: Sequence[Path]) -> None:
        self._package = package
        self._roots = [Path(os.path.realpath(root)) for root in roots]

    def sources(self, file: File) -> Iterator[Source]:
        """A directory gives each of its files; empty ones are left out, for git knows of none."""
        if file.src is None:
            yield _source(file, None, file.dest)
            return
        start = Path(os.path.normpath(file.src))
        real = self._real(start)
        if not _is_dir(real):
            yield _source(file, start, file.dest + start.name if file.dest.endswith("/") else file.dest)
            return
        # Each with the directories that it is in, so that a link to one of these is known for a circle.
        waiting: list[tuple[Path, str, tuple[Path, ...], tuple[_Patterns, ...]]] = []
        waiting.append((start, file.dest.rstrip("/"), (real,), self._above(start)))
        while waiting:
            folder, dest, reals, above = waiting.pop()
            patterns = (*above, *_patterns(folder))
            for path in _list(folder):
                is_dir = _is_dir(path)
                if path.name in _NEVER or _left_out(path, patterns, is_dir=is_dir):
                    continue
                real = self._real(path) if path.is_symlink() else reals[-1] / path.name
                if not is_dir:
                    yield _source(file, path, f"{dest}/{path.name}")
                elif real in reals:
                    raise _refused(path, "it leads to a directory that it is in")
                else:
                    waiting.append((path, f"{dest}/{path.name}", (*reals, real), patterns))

    def _real(self, path: Path) -> Path:
        """Where `path` leads, all links followed."""
        try:
            real = Path(os.path.realpath(path, strict=True))
        except OSError as error:
            if path.is_symlink() and not isinstance(error, PermissionError):
                raise _refused(path, "it is a symbolic link that leads nowhere") from error
            raise unreadable(path, error) from error
        if not any(real.is_relative_to(root) for root in self._roots):
            raise _refused(path, f"it leads out of the repository '{self._roots[0]}', to '{real}'")
        return real

    def _above(self, start: Path) -> tuple[_Patterns, ...]:
        """The package's own patterns count for all that is below it, beside those of each directory on the way."""
        return _patterns(self._package) if self._package in start.parents else ()


def _repository(project: Project, package: Path) -> list[Path]:
    """The directories that make up the repository: git's, the workspace's, the package's; the largest first."""
    found = [root for root in (top(package), project.root, package) if root is not None]
    return sorted(found, key=lambda root: len(root.parts))


def _source(file: File, src: Path | None, dest: str) -> Source:
    return Source(src=src, dest=dest, mode=file.mode, uid=file.uid, gid=file.gid)


def _is_dir(path: Path) -> bool:
    """False also for what may not be looked at; what wants it read will say so."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _refused(path: Path, reason: str) -> SettingError:
    then = f"put the file itself there, or name it in a {IGNORE}"
    return SettingError(f"cannot put '{path}' into the image: {reason}; {then}")


def _patterns(folder: Path) -> tuple[_Patterns, ...]:
    path = folder / IGNORE
    if not path.is_file():
        return ()
    from pathspec import GitIgnoreSpec  # 30 ms, for those who have such a file

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return (_Patterns(folder, GitIgnoreSpec.from_lines(re.sub(_STARS, "*", line) for line in lines)),)
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, re.error) as error:  # pathspec's, and what is no UTF-8
        raise SettingError(f"cannot read '{path}': {shown(error)}; see gitignore(5)") from error


def _left_out(path: Path, patterns: Sequence[_Patterns], *, is_dir: bool) -> bool:
    """The last pattern that says something of `path` decides; those of the nearest directory come last."""
    verdicts = (each.verdict(path, is_dir=is_dir) for each in reversed(patterns))
    return next((verdict for verdict in verdicts if verdict is not None), False)


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from error
