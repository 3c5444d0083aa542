from __future__ import annotations

import io
import tarfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from krust.image.below import directories
from plumbing.commands.write_layer import write_layer
from plumbing.layer.entries import Source
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from tests.tools import run

_ASKED = ("app", "etc", "etc/hello", "link", "srv/data", "var")


def tarred(store: Store, folder: Path, paths: Sequence[str]) -> Descriptor:
    """A layer as other tools write them, with whiteouts: '/' at the end makes a directory, '->' a link."""
    folder.mkdir()
    names = []
    for path in paths:
        name, arrow, target = path.partition("->")
        names.append(name)
        place = folder / name
        if arrow:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
        elif name.endswith("/"):
            place.mkdir(parents=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    tar = run("tar", "--no-recursion", "-cf", "-", *(name.rstrip("/") for name in names), cwd=folder).stdout
    return store.put(tar, "application/vnd.oci.image.layer.v1.tar")


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], ()),
        ([["app/", "etc/", "etc/hello/"]], ("app", "etc", "etc/hello")),
        ([["etc/passwd"]], ("etc",)),  # a file's directories are there, also where the archive leaves them out
        ([["app", "var/"]], ("var",)),  # a file is no directory
        ([["link->etc"]], ("link",)),  # but a link may lead to one
        ([["app/"], ["app"]], ()),  # what is above counts
        ([["app"], ["app/"]], ("app",)),
        ([["app/", "etc/"], [".wh.app"]], ("etc",)),
        ([["app/"], [".wh.app"], ["app/"]], ("app",)),
        ([["etc/", "etc/hello/"], ["etc/.wh.hello"]], ("etc",)),
        ([["etc/", "etc/hello/"], ["etc/", "etc/.wh..wh..opq"]], ("etc",)),
        ([["srv/", "srv/data/"], [".wh.srv"]], ()),
        ([["app/", "var/"], [".wh..wh..opq", "var/"]], ("var",)),
        ([["srv/data/"], ["srv/other"]], ("srv/data",)),
        ([["application/", "appetite"]], ()),  # names that begin so are others
    ],
)
def test_the_uppermost_layer_that_has_a_path_decides(
    layers: list[list[str]], expected: tuple[str, ...], store: Store, tmp_path: Path
) -> None:
    written = [tarred(store, tmp_path / str(place), paths) for place, paths in enumerate(layers)]
    for _ in range(2):  # the second time by what was noted on the blobs
        assert directories(store, written, _ASKED) == expected


@pytest.mark.parametrize(
    "paths",
    [["a/" * 30_000], [f"{number}" + "a" * 60_000 for number in range(500)], [f"{number}" for number in range(5000)]],
    ids=["deep", "long", "many"],
)
def test_a_hostile_base_takes_little_memory(paths: list[str], store: Store) -> None:
    """One path of 60 KB has 30,000 directories that lead to it, a GB of names."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in [*paths, "app/data"]:
            archive.addfile(tarfile.TarInfo(path))
    layer = store.put(tar.getvalue(), "application/vnd.oci.image.layer.v1.tar")
    tracemalloc.start()
    found = directories(store, [layer], ["app", "app/data", "a/a/a", "x"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == (("a/a/a", "app") if len(paths) == 1 else ("app",))
    assert peak < 10 << 20


def test_it_is_the_same_without_notes(store: Store, tmp_path: Path) -> None:
    """On a file system that keeps none, and of what another program has put there."""
    sources = [Source(src=None, dest="/etc/hello"), Source(src=b"x", dest="/app/data")]
    layer = write_layer(store, sources, mtime=0).descriptor
    noted = directories(store, [layer], _ASKED)
    raw = store.blobs.path(layer.digest).read_bytes()
    store.blobs.path(layer.digest).unlink()
    store.put(raw, layer.media_type)
    assert directories(store, [layer], _ASKED) == noted == ("app", "etc", "etc/hello")
