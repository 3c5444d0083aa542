"""Which package a reference means. Knows nothing of cargo: what there is comes as arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from krust.errors import KubeError
from krust.kube.package import PREFIX, PackageReference
from krust.kube.text import Place


def locate(
    reference: PackageReference,
    place: Place,
    *,
    working_directory: Path,
    folder: Path | None,
    packages: Callable[[], Mapping[str, Path]],
    is_package: Callable[[Path], bool],
) -> Path:
    """The directory of the package, without links and '..', so that one package has one path.

    folder      of the file that holds the reference; None for standard input and URLs
    packages    those of the workspace, their directories by name; asked where no directory is meant
    is_package  whether a directory holds a Cargo.toml
    raises      KubeError where there is none, or a different one in each of the two directories
    """
    bases = [working_directory] if folder is None else [working_directory, folder]
    found = {(base / reference.path).resolve(): None for base in bases if is_package(base / reference.path)}
    match list(found):
        case [directory]:
            return directory
        case [here, there]:
            raise KubeError(
                f"ambiguous reference '{reference}' in '{place}': it may be '{here}' or '{there}'; "
                "write an absolute path, or run krust elsewhere"
            )
    named = packages()
    if reference.path in named:
        return named[reference.path].resolve()
    what = f"cannot find the package of '{reference}' in '{place}'"
    near = _nearest(reference.path, working_directory, named) or _beside(reference.path, bases, is_package)
    if near is None:
        raise KubeError(f"{what}: no directory with a Cargo.toml and no package of the workspace has that name")
    raise KubeError(f"{what}: no such directory or package; the nearest there is: '{PREFIX}{near}'")


def _beside(path: str, bases: Iterable[Path], is_package: Callable[[Path], bool]) -> str | None:
    """The package that `path` may be a slip for, of those in the same folder."""
    parent = PurePosixPath(path).parent
    names: list[str] = []
    for base in bases:
        with suppress(OSError):  # there is no such folder
            names += [(parent / each.name).as_posix() for each in sorted((base / parent).iterdir()) if is_package(each)]
    return next(iter(get_close_matches(path, names, n=1, cutoff=0)), None)


def _nearest(path: str, working_directory: Path, packages: Mapping[str, Path]) -> str | None:
    """The name or the relative directory of a package that `path` may be a slip for; else any package at all."""
    names = list(packages)
    for name, directory in packages.items():
        try:
            names.append(directory.resolve().relative_to(working_directory.resolve()).as_posix())
        except ValueError:
            names.append(directory.name)
        if directory.name == path.rstrip("/").rpartition("/")[2]:
            return names[-1] if names[-1] != "." else name
    names = [name for name in dict.fromkeys(names) if name != "."]
    return next(iter(get_close_matches(path, names, n=1, cutoff=0) or names), None)
