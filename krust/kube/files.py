"""Which files `-f` names, in kubectl's order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from krust.errors import KubeError
from plumbing.errors import system_words

_SUFFIXES = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One of what `-f` names: a file at `path`, or standard input or a URL, which have no path.

    `name` is what messages call it.
    """

    name: str
    path: Path | None = None
    url: str | None = None

    @property
    def folder(self) -> Path | None:
        """What references in it may be relative to, besides the working directory."""
        return self.path.parent if self.path is not None else None

    @property
    def is_standard_input(self) -> bool:
        return self.path is None and self.url is None


def sources(words: Iterable[str], *, recursive: bool = False) -> list[Source]:
    """What `words` name, in their order: files of any name, directories, '-' and URLs.

    A directory is its files that end in .yaml, .yml or .json, sorted by name, hidden ones too, as for kubectl; with
    `recursive` also those of its directories, each in the place that its name has. Links to directories inside it are
    not followed, so that no walk is endless.

    raises  KubeError for what is not there, a directory with no such file or one that is none, and '-' twice
    """
    found: list[Source] = []
    for word in words:
        if not word:  # which would be the working directory, for pathlib
            raise KubeError("cannot read '': no such file or directory")
        if word == "-":
            if any(each.is_standard_input for each in found):
                raise KubeError("cannot read '-' twice: standard input has one end")
            found.append(Source(name="standard input"))
        elif not is_file(word):
            found.append(Source(name=word, url=word))
        else:
            found += [Source(name=str(path), path=path) for path in _files(Path(word), recursive=recursive)]
    return found


def is_file(word: str) -> bool:
    """Whether it names a file or a directory, wherever that may be: no URL, and not standard input."""
    return word != "-" and not word.startswith(("http://", "https://"))


def read(source: Source, *, standard_input: BinaryIO, fetch: Callable[[str], bytes]) -> bytes:
    """What `source` holds now. `fetch` gets a URL's bytes, or raises a PlumbingError of its own."""
    if source.url is not None:
        return fetch(source.url)
    try:
        return standard_input.read() if source.path is None else source.path.read_bytes()
    except OSError as error:
        raise _unreadable(source.name, error) from error


def _files(path: Path, *, recursive: bool) -> list[Path]:
    try:
        if not path.is_dir():
            path.stat()
            return [path]
        found = list(_walk(path, recursive=recursive))
    except OSError as error:
        raise _unreadable(str(path), error) from error
    if not found:
        then = "name another one" if recursive else "look into its directories with -R"
        raise KubeError(f"cannot read '{path}': no file in it ends in {', '.join(_SUFFIXES)}; {then}")
    return found


def _walk(folder: Path, *, recursive: bool) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        in_order = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in in_order:
        if entry.is_dir(follow_symlinks=False):
            if recursive:
                yield from _walk(folder / entry.name, recursive=True)
        elif entry.name.endswith(_SUFFIXES):
            path = folder / entry.name
            if path.exists() and not path.is_file():  # a pipe, or a link to /dev/zero, which nobody has named
                raise KubeError(f"cannot read '{path}': it is no file; take it away, or name the files")
            yield path


def _unreadable(name: str, error: OSError) -> KubeError:
    return KubeError(f"cannot read '{name}': {system_words(error)}")
