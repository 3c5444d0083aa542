"""export: an image out of the store, as a layout or archive of its own."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from krust.errors import SettingError
from plumbing.errors import StoreError
from plumbing.files import BEFORE, replacing, staging, sync_folder
from plumbing.layer.entries import Source, collect
from plumbing.layer.layer import write_compressed
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from plumbing.store.files import failing_as
from plumbing.store.store import ANY
from plumbing.sync import copy


def export(store: Store, roots: Mapping[str, Descriptor], target: Path) -> None:
    """Write `roots`, by name, and all below them to `target`: a layout's folder, or, if it ends in .tar, a tar of one.

    raises  SettingError where something else is at `target`, StoreError; `target` is whole or as it was

    image-spec 1.1, image-layout.md: an archive holds the layout's files, without a folder around them.
    """
    check_target(target)
    archive = _is_archive(target)
    with failing_as("write", target, elsewhere="choose another place with '-o'"), staging(target.parent) as folder:
        with _full_as_found():
            layout = Store.create(folder / "layout")
            for root in roots.values():
                copy(store, layout, root)
            layout.update_refs({name: (root, ANY) for name, root in roots.items()})
            layout.strip()
        if archive:
            entries = collect([Source(src=layout.path, dest="/")])
            with replacing(target) as out:
                write_compressed(entries, mtime=0, codec="none", out=out)
        else:
            with _out_of_the_way(target, folder / BEFORE):
                layout.path.rename(target)
                sync_folder(target.parent)


def check_target(target: Path) -> None:
    """Raises SettingError where something is at `target` that is not to be replaced."""
    fits = target.is_file() if _is_archive(target) else Store.is_layout(target)
    if target.exists() and not fits:
        raise SettingError(f"cannot write an image to '{target}': something else is there; choose another place")


def _is_archive(target: Path) -> bool:
    return target.suffix == ".tar"


@contextmanager
def _full_as_found() -> Iterator[None]:
    """A layout in the making that finds no space is not the store, whose error would advise another '--store'."""
    try:
        yield
    except StoreError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT):
            raise error.__cause__ from None
        raise


@contextmanager
def _out_of_the_way(target: Path, before: Path) -> Iterator[None]:
    """What is at `target` is at `before` meanwhile, and comes back unless something else took its place."""
    try:
        if target.exists():
            target.rename(before)
        yield
    finally:
        if before.exists() and not target.exists():
            before.rename(target)
        shutil.rmtree(before, ignore_errors=True)
