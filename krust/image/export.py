"""export: an image out of the store, as a layout or archive of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from krust.errors import SettingError
from plumbing.layer.entries import Source, collect
from plumbing.layer.tar import write_tar
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from plumbing.store.files import failing_as, sync_folder
from plumbing.store.store import ANY
from plumbing.sync import copy


def export(store: Store, roots: Mapping[str, Descriptor], target: Path) -> None:
    """Write `roots`, by name, and all below them to `target`: a layout's folder, or, if it ends in .tar, a tar of one.

    raises  SettingError where something else is at `target`, StoreError; `target` is whole or as it was

    image-spec 1.1, image-layout.md: an archive holds the layout's files, without a folder around them.
    """
    check_target(target)
    archive = _is_archive(target)
    with failing_as("write", target), _beside(target) as folder:
        layout = Store.create(folder / "layout")
        for root in roots.values():
            copy(store, layout, root)
        layout.update_refs({name: (root, ANY) for name, root in roots.items()})
        layout.strip()
        if archive:
            entries = collect([Source(src=layout.path, dest="/")])
            with (folder / "archive").open("wb") as out:
                write_tar(entries, mtime=0, out=out)
                out.flush()
                os.fsync(out.fileno())
            (folder / "archive").replace(target)
        else:
            if target.exists():
                target.rename(folder / "before")
            layout.path.rename(target)
        sync_folder(target.parent)


def check_target(target: Path) -> None:
    """Raises SettingError where something is at `target` that is not to be replaced."""
    fits = not target.is_dir() if _is_archive(target) else Store.is_layout(target)
    if target.exists() and not fits:
        raise SettingError(f"cannot write an image to '{target}': something else is there; choose another place")


def _is_archive(target: Path) -> bool:
    return target.suffix == ".tar"


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A folder next to `target`, on the same file system, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix=".krust.", dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
