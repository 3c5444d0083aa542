"""Files that a person names for what a command says: checked before anything is done, and then written whole."""

from __future__ import annotations

import os
from pathlib import Path

from plumbing.errors import StoreError
from plumbing.files import is_stream, place, replacing
from plumbing.store.files import failing_as


def check_file(path: Path) -> None:
    """Raises StoreError where `write_whole` could not write `path`."""
    if is_stream(path):
        return
    if path.is_dir():
        raise StoreError(f"cannot write '{path}': it is a folder; name a file")
    check_folder(place(path))


def check_folder(path: Path) -> None:
    """Raises StoreError where nothing can be put at `path`, for want of a folder, or of the right to write there."""
    if not path.parent.is_dir():
        raise StoreError(f"cannot write '{path}': no such folder '{path.parent}'; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write '{path}': the folder '{path.parent}' is read-only; choose another place")


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file, whole or not at all, with what the umask leaves of `mode`. Raises StoreError."""
    with failing_as("write", path, elsewhere="choose another place"), replacing(path, mode=mode) as file:
        file.write(text.encode(errors="surrogateescape"))
