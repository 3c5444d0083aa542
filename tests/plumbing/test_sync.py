"""copy: from store to store, the way that every image moves."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbing.errors import DigestMismatch, Malformed, NotFound, PlumbingError
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.exchange import Source, Stream
from plumbing.oci.index import Index
from plumbing.store import Store
from plumbing.store.fsck import fsck
from plumbing.store.walk import DEEPEST, MOST
from plumbing.sync import copy
from tests.plumbing.store.images import put_image, put_images, put_index

jobs = pytest.mark.parametrize("jobs", [1, 4])


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "source")


@pytest.fixture
def sink(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "sink")


class Noting:
    """A progress that keeps what it is told; also the most blobs that were open at once."""

    def __init__(self) -> None:
        self.planned: list[Descriptor] = []
        self.read: dict[Digest, int] = {}
        self.ended: list[Digest] = []
        self.lock = threading.Lock()

    def plan(self, blobs: list[Descriptor]) -> None:
        self.planned = blobs

    def advance(self, blob: Descriptor, count: int) -> None:
        with self.lock:
            self.read[blob.digest] = self.read.get(blob.digest, 0) + count

    def done(self, blob: Descriptor) -> None:
        with self.lock:
            self.ended.append(blob.digest)


class Through:
    """A source that calls `before` whenever a blob is opened."""

    def __init__(self, store: Store, before: Callable[[Descriptor], object]) -> None:
        self.store = store
        self.before = before

    def read(self, descriptor: Descriptor) -> bytes:
        return self.store.read(descriptor)

    def open_blob(self, descriptor: Descriptor) -> Stream:
        self.before(descriptor)
        return self.store.open_blob(descriptor)

    open_unverified = open_blob


@jobs
def test_an_image_is_copied_to_the_last_blob(jobs: int, source: Store, sink: Store) -> None:
    root = put_images(source)
    put_image(source, "not asked for")
    copy(source, sink, root, jobs=jobs)
    assert {blob: sink.blobs.path(blob).read_bytes() for blob in sink.blobs} == {
        blob.digest: source.blobs.path(blob.digest).read_bytes() for blob in source.walk(root)
    }
    assert list(sink.refs) == [], "names are the caller's"
    assert fsck(sink, [root]).problems == ()


@jobs
def test_a_blob_alone(jobs: int, source: Store, sink: Store) -> None:
    blob = source.put(b"blob", mediatype.LAYER)
    copy(source, sink, blob, jobs=jobs)
    assert sink.read(blob) == b"blob"


def test_sha512_blobs(source: Store, sink: Store) -> None:
    digest = Digest("sha512", hashlib.sha512(b"blob").hexdigest())
    with source.writer() as writer:
        writer.hash_with(digest)
        writer.write(b"blob")
        writer.commit(digest)
    blob = Descriptor(media_type=mediatype.LAYER, digest=digest, size=4)
    copy(source, sink, blob)
    assert sink.read(blob) == b"blob"


def test_shared_nodes_in_nested_indexes_are_moved_once_and_in_order(source: Store) -> None:
    image, other = put_image(source, "shared", "one"), put_image(source, "shared", "two")
    inner = put_index(source, image, other)
    root = put_index(source, inner, image, put_index(source, other, inner))
    taken: list[Digest] = []

    class Sink:
        def complete(self, node: Descriptor) -> bool:
            return False

        def take(self, blob: Descriptor, source: object) -> None:
            taken.append(blob.digest)

        def take_node(self, node: Descriptor, raw: bytes) -> None:
            children = source.manifest(node).children
            assert {child.digest for child in children} <= set(taken), "a child is missing"
            assert Digest.of(raw) == node.digest
            taken.append(node.digest)

    copy(source, Sink(), root, jobs=1)
    assert set(taken) == {blob.digest for blob in source.walk(root)}
    assert len(set(taken)) == len(taken)


def test_the_largest_go_first(source: Store, sink: Store) -> None:
    order: list[int] = []
    root = put_image(source, "x" * 500, "x" * 5000, "x" * 50_000)
    copy(Through(source, lambda blob: order.append(blob.size)), sink, root, jobs=1)
    assert order == sorted(order, reverse=True)


@jobs
def test_what_is_there_is_not_read_again(jobs: int, source: Store, sink: Store) -> None:
    opened: list[Digest] = []
    noting = Through(source, lambda blob: opened.append(blob.digest))
    copy(source, sink, put_image(source, "shared", "one"), jobs=jobs)
    second = put_image(source, "shared", "two")
    copy(noting, sink, second, jobs=jobs)
    assert Digest.of(b"two") in opened
    assert Digest.of(b"shared") not in opened
    opened.clear()
    copy(noting, sink, second, jobs=jobs)
    assert opened == []


def test_a_sink_whose_blobs_were_deleted_gets_them_again(source: Store, sink: Store) -> None:
    """That the root is there says nothing of what is below it."""
    root = put_images(source)
    copy(source, sink, root)
    for missing in (b"shared", b"amd64"):
        sink.blobs.path(Digest.of(missing)).unlink()
    copy(source, sink, root)
    assert fsck(sink, [root]).problems == ()


@jobs
def test_progress_adds_up(jobs: int, source: Store, sink: Store) -> None:
    root = put_image(source, *(f"layer {number} " * 1000 * number for number in range(9)))
    copy(source, sink, source.put(b"layer 3 " * 3000, mediatype.LAYER))
    progress = Noting()
    copy(source, sink, root, jobs=jobs, progress=progress)
    blobs = {blob.digest: blob.size for blob in source.manifest(root).children}
    assert {blob.digest: blob.size for blob in progress.planned} == blobs
    assert sorted(progress.ended, key=str) == sorted(blobs, key=str)
    del blobs[Digest.of(b"layer 3 " * 3000)]
    assert {digest: count for digest, count in progress.read.items() if count} == {
        digest: size for digest, size in blobs.items() if size
    }


def test_progress_of_a_blob_that_is_read_again_starts_again(source: Store) -> None:
    blob = source.put(b"0123456789", mediatype.LAYER)
    progress = Noting()

    class Retrying:
        def complete(self, node: Descriptor) -> bool:
            return False

        def take(self, blob: Descriptor, source) -> None:
            for _ in range(2):
                with source.open_blob(blob) as stream:
                    stream.read(7)
            with source.open_blob(blob) as stream:
                while stream.read(7):
                    pass

        def take_node(self, node: Descriptor, raw: bytes) -> None: ...

    copy(source, Retrying(), blob, progress=progress)
    assert progress.read == {blob.digest: 10}


@jobs
@pytest.mark.parametrize("what", ["manifest", "config", "layer"])
def test_a_source_that_lacks_a_blob_is_said_and_names_nothing(what: str, jobs: int, source: Store, sink: Store) -> None:
    root = put_images(source)
    manifest = source.manifest(root).children[0]
    parts = {"manifest": manifest, **dict(zip(["config", "layer"], source.manifest(manifest).children, strict=False))}
    source.blobs.path(parts[what].digest).unlink()
    with pytest.raises(NotFound, match=f"^cannot read '{parts[what].digest}': no such blob in '{source.path}'$"):
        copy(source, sink, root, jobs=jobs)
    assert not sink.has(root)
    assert not any(sink.has(node) for node in source.manifest(root).children)
    assert list((sink.path / "tmp").iterdir()) == []


@jobs
def test_a_source_that_gives_other_bytes_is_said_and_leaves_none(jobs: int, source: Store, sink: Store) -> None:
    root = put_image(source, "good", "bad", "other")
    path = source.blobs.path(Digest.of(b"bad"))
    path.chmod(0o644)
    path.write_bytes(b"BAD")
    with pytest.raises(DigestMismatch, match=str(Digest.of(b"bad"))):
        copy(source, sink, root, jobs=jobs)
    assert sink.blobs.size(Digest.of(b"bad")) is None
    assert list((sink.path / "tmp").iterdir()) == []
    path.write_bytes(b"bad")
    copy(source, sink, root, jobs=jobs)
    assert fsck(sink, [root]).problems == ()


def test_an_index_of_endless_manifests_ends_before_the_memory_does(source: Store, sink: Store) -> None:
    """Each of them as large as a manifest may be, and all of them good."""
    raw = source.read(put_image(source))
    large = [raw[:-1] + b" " * size + b"}" for size in range(3_900_000, 3_900_000 + 18)]
    index = source.put(Index.of([source.put(each, mediatype.MANIFEST) for each in large]).raw, mediatype.INDEX)
    with pytest.raises(
        Malformed, match=f"malformed image '{index.digest}': expected at most {MOST} bytes of manifests"
    ):
        copy(source, sink, index)
    assert not list(sink.blobs)


def test_a_hostile_root_ends(source: Store, sink: Store) -> None:
    root = put_image(source, "one")
    for _ in range(DEEPEST):
        root = put_index(source, root)
    with pytest.raises(Malformed, match="indexes within each other"):
        copy(source, sink, root)
    assert list(sink.blobs) == []


def test_a_blob_that_was_read_holds_up_no_other_and_no_more_are_read_than_jobs(source: Store) -> None:
    root = put_image(source, "one", "two", "three")
    settling = threading.Barrier(4)  # and the config
    lock = threading.Lock()
    reading = [0]

    class Sink:
        def complete(self, node: Descriptor) -> bool:
            return False

        def take(self, blob: Descriptor, source: Source) -> None:
            with source.open_unverified(blob) as stream:
                with lock:
                    reading.append(reading[-1] + 1)
                time.sleep(0.02)
                while stream.read(7):
                    pass
                with lock:
                    reading.append(reading[-1] - 1)
            settling.wait(10)

        def take_node(self, node: Descriptor, raw: bytes) -> None: ...

    copy(source, Sink(), root, jobs=2)
    assert max(reading) == 2


class Slow:
    """A source whose blobs take ten seconds, at a byte a millisecond; `reading` is set once one is read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reading = threading.Event()

    def read(self, descriptor: Descriptor) -> bytes:
        return self.store.read(descriptor)

    def open_blob(self, descriptor: Descriptor) -> Stream:
        return _SlowStream(self)

    open_unverified = open_blob


class _SlowStream:
    def __init__(self, source: Slow) -> None:
        self.source = source
        self.end = time.monotonic() + 10

    def read(self, size: int = -1, /) -> bytes:
        self.source.reading.set()
        time.sleep(0.001)
        return b"\0" if time.monotonic() < self.end else b""

    def close(self) -> None: ...

    def __enter__(self) -> _SlowStream:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("error", [KeyboardInterrupt, PlumbingError("said no")], ids=["Ctrl-C", "a fault"])
def test_an_end_does_not_wait_for_what_is_being_moved(
    error: BaseException, source: Store, sink: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a push of gigabytes is felt at once, and leaves no temporary file."""
    root = put_image(source, "one", "two", "three", "four", "five")
    slow = Slow(source)
    if isinstance(error, PlumbingError):
        real = slow.open_unverified

        def refusing(descriptor: Descriptor) -> Stream:
            if descriptor.media_type == mediatype.CONFIG:
                slow.reading.wait(10)
                raise error
            return real(descriptor)

        monkeypatch.setattr(slow, "open_unverified", refusing)
    else:

        def interrupted(*_: object, **__: object) -> None:
            slow.reading.wait(10)
            raise KeyboardInterrupt

        monkeypatch.setattr("plumbing.sync.as_completed", interrupted)
    begun = time.monotonic()
    with pytest.raises(type(error) if isinstance(error, Exception) else KeyboardInterrupt):
        copy(slow, sink, root, jobs=3)
    assert time.monotonic() - begun < 5
    assert list((sink.path / "tmp").iterdir()) == []
