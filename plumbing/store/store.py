"""Store: an OCI image layout, for any number of processes at once. image-spec 1.1, image-layout.md."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from plumbing.errors import DigestMismatch, Malformed, NotFound, StoreError
from plumbing.files import sync_folder
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import ALGORITHMS, Digest
from plumbing.oci.index import Index, sniff
from plumbing.oci.manifest import Manifest
from plumbing.store import facts, files, lock, refs
from plumbing.store.blobs import BlobReader, Blobs, BlobWriter, freshen
from plumbing.store.refs import ANY, Expected, Ref, Refs
from plumbing.store.walk import Seen, parse, walk

if TYPE_CHECKING:
    from plumbing.oci.exchange import Source

_CHUNK = 1 << 20

FOLDER = ".krust"
"""The name of a project's store."""

_SPACE = b" \t\r\n"  # of JSON
_MARKER = "oci-layout"
_MARK = {"imageLayoutVersion": "1.0.0"}
_OWN = {".gitignore", "blobs", refs.NAME, "lock", _MARKER, "tmp"}
"""What a store that is being made may hold."""


class Store:
    """A layout, or a folder that becomes one with the first blob. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Checks nothing: to read, `open` it."""
        self.path = path
        self.blobs = Blobs(path)
        self.refs = Refs(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The layout at `path`. Raises StoreError where there is none, or one of a version that is not known."""
        marker = path / _MARKER
        with files.failing_as("read", marker):
            try:
                with files.open_regular(marker) as file:
                    raw = file.read(document.LIMIT)
            except (FileNotFoundError, NotADirectoryError):
                raise StoreError(
                    f"cannot open '{path}': no OCI layout there; 'krust build --no-push' makes a store"
                ) from None
        try:
            version = document.load(raw, _MARKER).get("imageLayoutVersion")
        except Malformed as error:
            raise StoreError(f"cannot open '{path}': {error}; write the file again, or another store") from error
        if version != _MARK["imageLayoutVersion"]:
            raise StoreError(
                f"cannot open '{path}': a layout of version '{version}', not {_MARK['imageLayoutVersion']}"
            )
        # what comes with someone's repository or archive must not have gc delete, or a build write, in other places
        for folder in (*_folders(path), *(path / "blobs" / algorithm for algorithm in ALGORITHMS)):
            if folder.is_symlink():
                raise StoreError(f"cannot open '{path}': '{folder}' is a symbolic link; a store's folders are its own")
        return cls(path)

    @classmethod
    def create(cls, path: Path) -> Self:
        """The layout at `path`, made if it is not there. Safe for many at once; the marker is written last."""
        if (path / _MARKER).exists():
            return cls.open(path)
        with files.failing_as("create", path):
            strangers = sorted({entry.name for entry in path.iterdir()} - _OWN) if path.exists() else []
            if strangers:
                raise StoreError(f"cannot make a store of '{path}': it holds '{strangers[0]}'; name an empty folder")
            files.make_folder(path / "blobs" / "sha256", below=path)
            staging = path / "tmp"
            staging.mkdir(exist_ok=True)
            with lock.exclusive(path):
                for name, raw in (
                    (".gitignore", b"*\n"),
                    (refs.NAME, refs.initial()),
                    (_MARKER, document.dump(_MARK)),
                ):
                    if not (path / name).exists():
                        files.replace(path / name, raw, staging=staging)
        return cls.open(path)

    @staticmethod
    def is_layout(path: Path) -> bool:
        """Whether `path` is the folder of a layout, by its marker."""
        return os.path.isfile(path / _MARKER)  # False, and no error, for what can be no path

    def strip(self) -> None:
        """Leave the layout alone, as the specification has it: without what only a store that is written to needs."""
        import shutil

        from plumbing.store import hints

        with files.failing_as("make a plain layout of", self.path):
            for name in (".gitignore", lock.NAME):
                (self.path / name).unlink(missing_ok=True)
            for folder in ("tmp", hints.FOLDER):
                with suppress(FileNotFoundError):
                    shutil.rmtree(self.path / folder)
            sync_folder(self.path)

    # reading

    def has(self, descriptor: Descriptor) -> bool:
        """Whether a regular file of the right size has the blob's name."""
        return self.blobs.size(descriptor.digest) == descriptor.size

    def lacks(self, descriptor: Descriptor) -> bool:
        """Whether an image that needs the blob is not whole: it is not there, and not one that nobody passes on."""
        return not self.has(descriptor) and descriptor.media_type not in mediatype.NONDISTRIBUTABLE

    def read(self, descriptor: Descriptor, *, limit: int = document.LIMIT) -> bytes:
        """A small blob, verified. Raises NotFound, DigestMismatch, or Malformed for one of more than `limit` bytes."""
        if descriptor.size > limit:
            raise Malformed("blob", descriptor.digest, expected=f"at most {limit} bytes, not {descriptor.size}")
        return self.blobs.read(descriptor.digest, descriptor.size)

    def open_blob(self, descriptor: Descriptor) -> BlobReader:
        """A blob as a verified stream."""
        return self.blobs.open(descriptor.digest)

    def open_unverified(self, descriptor: Descriptor) -> BlobReader:
        """A blob as a stream, for a sink that verifies what it gets. Only its size is looked at."""
        blob = self.blobs.open(descriptor.digest, verify=False)
        if blob.size != descriptor.size:
            blob.close()
            raise DigestMismatch(descriptor.digest, f"{blob.size} bytes, expected {descriptor.size}", where=self.path)
        return blob

    def manifest(self, descriptor: Descriptor) -> Manifest | Index:
        """The manifest or index, parsed."""
        return parse(descriptor, self.read(descriptor))

    def walk(self, root: Descriptor, *, seen: Seen | None = None) -> Iterator[Descriptor]:
        """Every blob that `root` needs, children first, each once; see walk.walk. Leaves may be missing, nodes not."""
        return walk(root, self.manifest, seen=seen)

    def describe(self, digest: Digest) -> Descriptor:
        """A descriptor of a blob that is known by its digest only; its media type is what its bytes tell.

        Raises NotFound.
        """
        size = self.blobs.size(digest)
        if size is None:
            raise NotFound.blob(digest, self.path)
        with self.blobs.open_unverified(digest) as file, files.failing_as("read", self.blobs.path(digest)):
            start = file.read(4).lstrip(_SPACE)
        return Descriptor(media_type=self._media_type(digest, size, start), digest=digest, size=size)

    def _media_type(self, digest: Digest, size: int, start: bytes) -> str:
        if start.startswith(b"\x1f\x8b"):
            return mediatype.LAYER_GZIP
        if start == b"\x28\xb5\x2f\xfd":
            return mediatype.LAYER_ZSTD
        if not start.startswith(b"{") or size > document.LIMIT:
            return mediatype.LAYER
        with self.blobs.open(digest) as blob:
            raw = blob.read()
        try:
            document.load(raw, "config")
        except Malformed:
            return mediatype.LAYER  # a tar whose first path begins with a brace
        try:
            return sniff(raw)
        except Malformed:
            return mediatype.CONFIG

    # writing

    def put(self, raw: bytes, media_type: str) -> Descriptor:
        """Store a small blob that is in memory."""
        descriptor = Descriptor.of(raw, media_type)
        if self.blobs.is_right(descriptor.digest, descriptor.size):
            self.freshen(descriptor)
            return descriptor
        with self.writer() as blob:
            blob.write(raw)
            blob.commit(descriptor.digest)
        return descriptor

    def writer(self) -> BlobWriter:
        """Where a blob's bytes go that are not in memory. The first makes the store, if it is not there."""
        if not self.is_layout(self.path):
            self.create(self.path)
        return self.blobs.writer()

    def freshen(self, descriptor: Descriptor) -> None:
        """Keep a blob that is about to be named from a gc that runs meanwhile."""
        freshen(self.blobs.path(descriptor.digest))

    def update_ref(self, name: str, descriptor: Descriptor, expected: Expected = ANY) -> None:
        """Point `name` to `descriptor`, whose blobs must all be there. Raises RefConflict, NotFound."""
        self.update_refs({name: (descriptor, expected)})

    def update_refs(self, changes: Mapping[str, tuple[Descriptor, Expected]]) -> None:
        """Point each name to its descriptor, all or none, under one lock."""
        with files.failing_as("write", self.path):
            self.refs.update(changes, self._complete)

    def delete_ref(self, name: str, expected: Expected = ANY) -> None:
        self.refs.delete(name, expected)

    def adopt(self, index: bytes) -> None:
        """Take the roots of another layout's index, as they stand there, in place of this one's. Raises Malformed."""
        self.refs.adopt(index)

    def _complete(self, roots: Sequence[Descriptor]) -> None:
        for root in roots:
            for descriptor in self.walk(root):
                if self.lacks(descriptor):
                    raise NotFound.blob(descriptor.digest, self.path)
        self.blobs.sync()

    # as an end of a copy: plumbing/oci/exchange.py

    def complete(self, node: Descriptor) -> bool:
        """Whether `node` and all below it are there: a node alone says nothing, its children may have been deleted."""
        try:
            return not any(self.lacks(descriptor) for descriptor in self.walk(node))
        except (NotFound, DigestMismatch):
            return False

    def take(self, blob: Descriptor, source: Source) -> None:
        """Make `blob` be there. Raises DigestMismatch where `source` gives other bytes; nothing is kept then."""
        if self.blobs.is_right(blob.digest, blob.size):
            self.freshen(blob)
            return
        # hashed once, here: a GiB takes as long to be hashed as to be received
        with source.open_unverified(blob) as stream, self.writer() as writer:
            writer.hash_with(blob.digest)
            while data := stream.read(_CHUNK):
                writer.write(data)
            stream.close()  # the next one may be read while this one waits for the disk
            writer.commit(blob.digest, blob.size, giver=source)

    def take_node(self, node: Descriptor, raw: bytes) -> None:
        self.put(raw, node.media_type)

    # hints and facts: what is known of blobs, and can be found out again

    def may_have(self, kind: str) -> bool:
        """Whether a hint of `kind` was left: cheap, and no promise."""
        from plumbing.store import hints  # here, as below: who only reads needs none

        return hints.any_of(self.blobs, kind)

    def hint(self, kind: str, key: str) -> Digest | None:
        """The blob for which a hint was left under `kind` and `key`; see hints.py."""
        from plumbing.store import hints

        return hints.follow(self.blobs, kind, key)

    def leave_hint(self, kind: str, key: str, digest: Digest) -> None:
        """Remember that `digest` is what `kind` and `key` say."""
        from plumbing.store import hints

        hints.leave(self.blobs, kind, key, digest)

    def note_diff_id(self, digest: Digest, diff_id: Digest) -> None:
        """Keep the diff ID of a layer, so that it need not be decompressed again."""
        self.note(digest, facts.DIFF_ID, str(diff_id))

    def note(self, digest: Digest, name: str, value: str) -> None:
        """Keep a fact about a blob, which its bytes imply: see facts.py. `name` begins with user.krust."""
        facts.note(self.blobs.path(digest), name, value)

    def diff_id(self, digest: Digest) -> Digest | None:
        """The diff ID of a layer, if it was noted for the file as it is."""
        text = self.fact(digest, facts.DIFF_ID)
        try:
            return None if text is None else Digest.parse(text)
        except Malformed:
            return None

    def fact(self, digest: Digest, name: str) -> str | None:
        """What was noted about a blob, if the file is as it was when its bytes were last seen to be right."""
        path = self.blobs.path(digest)
        if facts.noted(path, facts.VERIFIED) != _state(path):
            return None
        return facts.noted(path, name)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"


def _folders(store: Path) -> tuple[Path, ...]:
    """Those in which a store writes and deletes."""
    return (store / "blobs", store / "tmp", store / "hints")


def _state(path: Path) -> str | None:
    try:
        return facts.verified_as(os.stat(path, follow_symlinks=False))
    except OSError:
        return None


def is_index(path: str) -> bool:
    """Whether a path within a layout, such as a member of an archive of one, is that of its index."""
    return path == refs.NAME


def blob_digest(path: str) -> Digest | None:
    """The digest of the blob whose path within a layout is `path`; None for the path of anything else."""
    match path.split("/"):
        case ["blobs", algorithm, name]:
            return Digest(algorithm, name)
    return None


def nearest(start: Path) -> Path | None:
    """The `.krust` of `start` or of the nearest folder above it that has one, and whose owner is to be trusted.

    Above may be what anybody may write to, such as /tmp: what someone else has put there is passed over. Facts about
    blobs are believed, and their owner could have made them up.
    """
    return next((folder / FOLDER for folder in (start, *start.parents) if _is_trusted(folder / FOLDER, start)), None)


def _is_trusted(path: Path, start: Path) -> bool:
    """Whether the layout at `path` is ours, root's, or of whoever has the folder that we work in anyway."""
    if not Store.is_layout(path):
        return False
    owner = os.stat(path).st_uid
    return owner in (os.geteuid(), 0) or owner == os.stat(start).st_uid


__all__ = ["ANY", "FOLDER", "Expected", "Ref", "Store", "blob_digest", "is_index", "nearest"]
