"""copy: bring an image from where it is to where it should be. Children first, names last.

A store and a repository of a registry are each a source and a sink: push is a copy from store to repository, fetch is
the other way, and from registry to registry nothing touches the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from threading import Event, Semaphore

from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.exchange import Progress, Sink, Source, Stream
from plumbing.oci.index import is_node
from plumbing.oci.mediatype import NONDISTRIBUTABLE
from plumbing.oci.once import ReadOnce
from plumbing.store.walk import reading, walk

JOBS = 4
"""Blobs that are moved at once."""

_SETTLING = 2
"""Threads for each job: a blob that was read, and that a disk or a registry has yet to keep, holds up no other."""

_MOMENT = 0.3
"""Seconds in which what is being moved may end in order, after Ctrl-C."""


def copy(source: Source, sink: Sink, root: Descriptor, *, jobs: int = JOBS, progress: Progress | None = None) -> None:
    """Make `root` and all below it be in `sink`. Nothing is named: that is the caller's, after this. Safe to repeat.

    jobs    blobs that are read at once, the largest first
    raises  what `source` and `sink` raise, the first of it; what is there by then stays, and the next copy uses it.
            What is being moved at that moment ends with its next piece. At Ctrl-C nobody waits for pieces that do not
            come: a thread that does ends when `source` and `sink` are closed
    """
    if is_node(root.media_type) and sink.complete(root):
        return
    source = ReadOnce(source)
    everything = list(walk(root, reading(source, root)))
    nodes = [item for item in everything if is_node(item.media_type)]
    blobs = [item for item in everything if not is_node(item.media_type) and item.media_type not in NONDISTRIBUTABLE]
    blobs.sort(key=lambda blob: -blob.size)
    if progress is not None:
        progress.plan(blobs)
    _take_all(sink, blobs, _Watched(source, progress, jobs), jobs, progress)
    for node in nodes:
        sink.take_node(node, source.read(node))


def _take_all(sink: Sink, blobs: list[Descriptor], source: _Watched, jobs: int, progress: Progress | None) -> None:
    def take(blob: Descriptor) -> None:
        sink.take(blob, source)
        if progress is not None:
            progress.done(blob)

    if len(blobs) < 2 or jobs < 2:
        for blob in blobs:
            take(blob)
        return
    pool = ThreadPoolExecutor(jobs * _SETTLING)
    moves = [pool.submit(take, blob) for blob in blobs]
    try:
        for move in as_completed(moves):
            move.result()
    except BaseException as error:
        source.stop()
        pool.shutdown(wait=False, cancel_futures=True)
        begun = [move for move in moves if not move.cancelled()]
        wait(begun, None if isinstance(error, Exception) else _MOMENT)
        raise
    pool.shutdown()


class _Watched:
    """A source of which `jobs` blobs are read at once. They tell `progress` how far, and can be stopped."""

    def __init__(self, source: Source, progress: Progress | None, jobs: int) -> None:
        self._source = source
        self._progress = progress
        self._read: dict[Digest, int] = {}
        self._stopped = Event()
        self._turns = Semaphore(jobs)

    def stop(self) -> None:
        """End what reads from this, in whatever thread, at its next piece."""
        self._stopped.set()

    def read(self, descriptor: Descriptor) -> bytes:
        return self._source.read(descriptor)

    def open_blob(self, descriptor: Descriptor) -> Stream:
        return self._watch(self._source.open_blob, descriptor)

    def open_unverified(self, descriptor: Descriptor) -> Stream:
        return self._watch(self._source.open_unverified, descriptor)

    def _watch(self, open_: Callable[[Descriptor], Stream], descriptor: Descriptor) -> Stream:
        self._turns.acquire()
        try:
            self.advance(descriptor, -self._read.get(descriptor.digest, 0))
            return _WatchedStream(open_(descriptor), descriptor, self)
        except BaseException:
            self._turns.release()
            raise

    def closed(self) -> None:
        self._turns.release()

    def __str__(self) -> str:
        return str(self._source)

    def advance(self, descriptor: Descriptor, count: int) -> None:
        if self._stopped.is_set():
            raise _Stopped
        self._read[descriptor.digest] = self._read.get(descriptor.digest, 0) + count
        if self._progress is not None and count:
            self._progress.advance(descriptor, count)


class _Stopped(BaseException):
    """The copy is over. Not an Exception: nobody on the way may take it for a fault, and try again."""


class _WatchedStream:
    def __init__(self, stream: Stream, descriptor: Descriptor, watched: _Watched) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self._watched = watched
        self._is_open = True

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        if data:
            self._watched.advance(self._descriptor, len(data))
        return data

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                self._stream.close()
            finally:
                self._watched.closed()

    def __enter__(self) -> _WatchedStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
