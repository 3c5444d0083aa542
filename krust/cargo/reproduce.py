"""Are the same binaries built again? In another directory, with nothing left from before, and compared byte by byte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from krust.cargo import compile, elf, git, metadata
from krust.cargo.compile import Binary, Request
from krust.cargo.metadata import BinaryTarget, Project
from krust.cargo.process import output
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError, ProjectError
from plumbing.errors import Malformed, shown

_HEADERS = "headers"
"""What is in no section: what the linker writes about the sections."""

_SHOWN = 48
"""Bytes of each side that a difference has: enough for the beginning of a path or a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where one section of one binary is not the same.

    offset  of the first byte that differs, from the beginning of the file of `binary`
    first   what is there in `binary`, and `second` in the one that was built again: some bytes, from a little before
    """

    binary: Binary
    section: str
    offset: int
    first: bytes
    second: bytes

    def __str__(self) -> str:
        one, other = (shown(part.decode("latin-1")) for part in (self.first, self.second))
        where = f"'{self.binary.path}' for {self.binary.platform}, section {self.section}, offset {self.offset:#x}"
        return f"{where}: '{one}' and '{other}'"


def differences(
    toolchain: Toolchain,
    project: Project,
    binaries: Sequence[Binary],
    request: Request,
    *,
    env: Mapping[str, str],
    cache: Path,
    say: Callable[[str], None],
) -> list[Difference]:
    """Build `binaries` again from a copy of the project, elsewhere and cold, and tell where they differ: nowhere, best.

    What git tracks is copied, and what it does not ignore; without git all files but what was built. The other
    arguments are those with which `binaries` were built by `compile.build`. For each section there is one difference.

    raises  as `compile.build` does, and ProjectError if the copy has not what the project has
    """
    with TemporaryDirectory(prefix="krust-again-") as name:
        scratch = Path(name).resolve()
        source = _Source.of(project, env)
        root = scratch / "another" / "path"
        source.copy(root, env)
        say(f"building again in '{root}', to compare")
        moved = root / project.directory.resolve().relative_to(source.root)
        words = _without_target_directory(request.cargo_args)
        given = {
            **env,
            **toolchain.anywhere(),
            "CARGO_TARGET_DIR": str(scratch / "target"),
            "RUSTC_WRAPPER": "",  # it may remember what it compiled
            "GIT_OPTIONAL_LOCKS": "0",  # the copy has the repository of the project
        }
        again = metadata.load(toolchain, moved, env=given, cargo_args=words)
        built = compile.build(
            toolchain,
            again,
            _same(again, binaries, source.root, root),
            list(dict.fromkeys(each.platform for each in binaries)),
            replace(request, cargo_args=words),
            env=given,
            cache=cache,
            say=say,
        )
        seconds = {(each.kind, each.name, each.package.name, each.platform): each for each in built}
        return [
            difference
            for first in binaries
            for difference in compare(first, seconds[first.kind, first.name, first.package.name, first.platform].path)
        ]


def compare(first: Binary, second: Path) -> Iterator[Difference]:
    """Where the file of `first` and that at `second` differ, by the sections of the first."""
    one, other = first.path.read_bytes(), second.read_bytes()
    if one == other:
        return
    found = False
    theirs = {name: (offset, size) for name, offset, size in _sections(second)}
    for name, offset, size in _sections(first.path):
        start, length = theirs.pop(name, (0, 0))
        mine, its = one[offset : offset + size], other[start : start + length]
        if (at := _first_difference(mine, its)) is not None:
            found = True
            yield _difference(first, name, offset + at, mine, its, at)
    for name, (start, length) in theirs.items():
        found = True
        yield _difference(first, name, len(one), b"", other[start : start + length], 0)
    if not found and (at := _first_difference(one, other)) is not None:
        yield _difference(first, _HEADERS, at, one, other, at)


def _difference(binary: Binary, section: str, offset: int, one: bytes, other: bytes, at: int) -> Difference:
    start = max(0, at - _SHOWN // 3)
    shown_of = slice(start, start + _SHOWN)
    return Difference(binary=binary, section=section, offset=offset, first=one[shown_of], second=other[shown_of])


def _first_difference(one: bytes, other: bytes) -> int | None:
    if one == other:
        return None
    # Comparing parts of it is a thousand times as quick as comparing bytes.
    low, high = 0, max(len(one), len(other))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if one[low:middle] != other[low:middle] else (middle, high)
    return low


def _sections(path: Path) -> list[tuple[str, int, int]]:
    """Names, offsets and sizes; a name that comes again gets a number."""
    try:
        with path.open("rb") as file:
            found = elf.sections(file)
    except Malformed:
        return []
    seen: dict[str, int] = {}
    numbered = []
    for each in found:
        seen[each.name] = count = seen.get(each.name, 0) + 1
        numbered.append((each.name if count == 1 else f"{each.name} ({count})", each.offset, each.size))
    return numbered


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What is copied: the files below `root`, the repository's or the workspace's. `git` is its folder, if any."""

    root: Path
    files: tuple[str, ...] | None
    git: Path | None
    target_directory: Path

    @classmethod
    def of(cls, project: Project, env: Mapping[str, str]) -> _Source:
        workspace = project.root.resolve()
        plain = cls(root=workspace, files=None, git=None, target_directory=project.target_directory.resolve())
        top = git.top(workspace)
        if top is None or shutil.which("git", path=env.get("PATH", "")) is None:
            return plain
        names = _git(top, env, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        files = tuple(dict.fromkeys(name for name in names if name))
        if str((workspace / "Cargo.toml").relative_to(top)) not in files:
            return plain  # the repository is of something else, and ignores it
        folder = _git(top, env, "rev-parse", "--absolute-git-dir").rstrip("\n")
        return replace(plain, root=top, files=files, git=Path(folder))

    def copy(self, to: Path, env: Mapping[str, str]) -> None:
        try:
            if self.files is None:
                shutil.copytree(self.root, to, symlinks=True, ignore=self._ignored, copy_function=shutil.copy)
                return
            to.mkdir(parents=True)
            for name in self.files:
                self._copy_one(self.root / name, to / name)
            if self.git:
                (to / ".git").write_text(f"gitdir: {self.git}\n")  # for build scripts that ask for the commit
        except (OSError, shutil.Error) as error:
            raise ProjectError(
                f"cannot copy '{self.root}' to build it again: {error}; make room, or set TMPDIR"
            ) from error

    def _copy_one(self, file: Path, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir() and not file.is_symlink():  # a submodule
            shutil.copytree(file, to, symlinks=True, ignore=self._ignored, copy_function=shutil.copy)
        elif os.path.lexists(file):  # not one that is deleted and not committed
            shutil.copy(file, to, follow_symlinks=False)

    def _ignored(self, folder: str, names: list[str]) -> list[str]:
        here = Path(folder)
        built = [name for name in names if name in ("target", ".git") and (name == ".git" or _is_cargos(here / name))]
        return [*built, *(name for name in names if (here / name).resolve() == self.target_directory)]


def _is_cargos(folder: Path) -> bool:
    return (folder / "CACHEDIR.TAG").is_file()


def _git(directory: Path, env: Mapping[str, str], *words: str) -> str:
    return output(["git", *words], cwd=directory, env=env, failure=f"cannot ask git about '{directory}'")


def _same(again: Project, binaries: Sequence[Binary], root: Path, copy: Path) -> list[BinaryTarget]:
    """The targets of `again` that `binaries` are of: their packages are where they were."""
    packages = {each.manifest_path.resolve(): each for each in again.packages}
    found = []
    for binary in binaries:
        place = copy / binary.package.manifest_path.resolve().relative_to(root)
        if (package := packages.get(place)) is None:
            raise CargoError(f"cannot build '{binary.name}' again: '{place}' is no member of the copied workspace")
        found.append(BinaryTarget(package=package, kind=binary.kind, name=binary.name))
    return list(dict.fromkeys(found))


def _without_target_directory(cargo_args: Sequence[str]) -> tuple[str, ...]:
    words = iter(cargo_args)
    kept = []
    for word in words:
        if word == "--target-dir":
            next(words, None)
        elif not word.startswith("--target-dir="):
            kept.append(word)
    return tuple(kept)
