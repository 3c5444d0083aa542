"""What the file system refuses, and processes that end at any moment."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plumbing.errors import StoreError
from plumbing.oci import mediatype
from plumbing.store import Store
from plumbing.store.fsck import fsck
from plumbing.store.gc import gc
from tests.plumbing.store.images import put_image
from tests.plumbing.store.test_gc import LATER
from tests.tools import ROOT, require


def _mount(*arguments: str | Path) -> None:
    require(os.geteuid() == 0 and sys.platform == "linux", "only root on Linux can mount what this needs")
    done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    require(done.returncode == 0, f"cannot mount: {done.stderr.decode().strip()}")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Store]:
    """A store on a file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", folder)
    try:
        yield Store.create(folder / ".krust")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_said_and_leaves_nothing_half(small: Store) -> None:
    image = put_image(small, "one")
    small.update_ref("a:1", image)
    with pytest.raises(StoreError) as caught:
        small.put(bytes(1 << 20), mediatype.LAYER)
    assert str(caught.value) == (
        f"cannot write to '{small.path}': no space left on device; free some, or choose another place with '--store'"
    )
    assert list((small.path / "tmp").iterdir()) == []
    assert fsck(small).problems == ()


def test_a_disk_that_fills_up_while_a_ref_is_written_keeps_the_refs(small: Store) -> None:
    image = put_image(small, "one")
    small.update_ref("a:1", image)
    filler = small.path.parent / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    with pytest.raises(StoreError, match="no space left on device; free some"):
        small.update_ref("b:1", image)
    assert [ref.name for ref in small.refs] == ["a:1"]
    assert list((small.path / "tmp").iterdir()) == []
    filler.unlink()
    small.update_ref("b:1", image)
    assert [ref.name for ref in small.refs] == ["a:1", "b:1"]


@pytest.fixture
def read_only(store: Store) -> Iterator[Store]:
    store.update_ref("a:1", put_image(store, "one"))
    _mount("--bind", store.path, store.path)
    try:
        _mount("-o", "remount,ro,bind", store.path)
        yield store
    finally:
        subprocess.run(["umount", "--lazy", store.path], check=True)


def test_a_read_only_store_can_be_read(read_only: Store) -> None:
    [ref] = Store.open(read_only.path).refs
    assert Store.create(read_only.path).complete(ref.descriptor)
    assert fsck(read_only).problems == ()
    assert put_image(read_only, "one").digest == ref.descriptor.digest, "what is there need not be written"


def test_a_read_only_store_cannot_be_written_and_says_so(read_only: Store) -> None:
    [ref] = read_only.refs
    advice = "read-only file system; choose another place with '--store'$"
    with pytest.raises(StoreError, match=f"^cannot write to '{read_only.path}': {advice}"):
        read_only.put(b"new", mediatype.LAYER)
    for deed in (
        lambda: read_only.update_ref("b:1", ref.descriptor),
        lambda: read_only.delete_ref("a:1"),
        lambda: gc(read_only, now=LATER),
    ):
        with pytest.raises(StoreError, match=f"^cannot [a-z]+ '{read_only.path}/.*': {advice}"):
            deed()


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's powers over files, for this process, and for a moment."""
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can enter: pytest's own are for its user alone."""
    folder = Path(tempfile.mkdtemp(prefix="krust-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_what_may_not_be_written_or_read_is_said(public: Path) -> None:
    require(os.geteuid() == 0, "only root can become somebody else")
    theirs, hidden, new = public / "theirs", public / "hidden", public / "new"
    store = Store.create(theirs)
    Store.create(hidden).path.chmod(0o700)
    said = []
    for deed in (
        lambda: store.put(b"new", mediatype.LAYER),
        lambda: store.delete_ref("a:1"),
        lambda: Store.open(hidden),
        lambda: Store.create(new),
    ):
        with as_nobody(), pytest.raises(StoreError) as caught:
            deed()
        said.append(str(caught.value))
    advice = "permission denied; change its mode or owner, or choose another place with '--store'"
    assert said == [
        f"cannot write to '{theirs}': {advice}",
        f"cannot lock '{theirs}/lock': {advice}",
        f"cannot read '{hidden}/oci-layout': {advice}",
        f"cannot create '{new}': {advice}",
    ]


_WRITER = """
import sys
from pathlib import Path
from plumbing.store import Store
from tests.plumbing.store.images import put_image
store = Store.create(Path(sys.argv[1]))
number = 0
while True:
    store.update_ref(f"a:{number % 5}", put_image(store, "shared", f"{sys.argv[2]} {number}" * 1000))
    if number == 0:
        print("writing", flush=True)
    number += 1
"""


def test_a_process_that_is_killed_leaves_a_clean_store(tmp_path: Path) -> None:
    """Some are killed before their first image, some after: the store is whole in any case, or not yet there."""
    path = tmp_path / ".krust"
    chance = random.Random(3)
    for number in range(12):
        process = subprocess.Popen([sys.executable, "-c", _WRITER, path, str(number)], cwd=ROOT, stdout=subprocess.PIPE)
        if number % 4:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.05))
        else:
            time.sleep(chance.uniform(0.05, 0.2))
        process.kill()
        process.communicate()
        assert process.returncode == -9
        if Store.is_layout(path):
            assert fsck(Store.open(path)).problems == ()
    store = Store.open(path)
    store.update_ref("b:1", put_image(store, "and the next writer works"))
    gc(store, now=LATER)
    assert list((path / "tmp").iterdir()) == []
    assert fsck(store).problems == ()
    assert {"a:0", "b:1"} <= {ref.name for ref in store.refs}
