"""archive: an image in a .tar, of a layout or as `docker save` writes it, read into a store. Nothing is extracted.

image-spec 1.1, image-layout.md; moby's image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from plumbing.errors import DigestMismatch, Malformed, SourceError
from plumbing.layer.codec import compressor
from plumbing.layer.members import read_files
from plumbing.layer.streams import Readable
from plumbing.oci import document, mediatype
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.document import Fields
from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from plumbing.store.files import reason
from plumbing.store.store import ANY, blob_digest, is_index

_DOCKER = "manifest.json"
_EXPECTED = "a tar of a layout, or what 'docker save' writes"
_CHUNK = 1 << 20
_LINKS = 16


def read_archive(path: Path, folder: Path) -> Store:
    """The images in the archive `path`, as a store made in `folder`, with the names that they have in the archive.

    raises  SourceError for what cannot be read, Malformed for what is no archive of images, DigestMismatch for a blob
            that is not what it is called
    """
    store = Store.create(folder)
    try:
        with path.open("rb") as stream:
            index, files, links = _unpack(store, stream)
    except OSError as error:
        raise SourceError(f"cannot read '{path}': {reason(error, 'name another file')}") from error
    except Malformed as error:
        raise Malformed("archive", path, expected=_EXPECTED) from error
    if index is not None:
        store.adopt(index)
    elif _DOCKER in files:
        _docker(store, files, links)
    else:
        raise Malformed("archive", path, expected=_EXPECTED)
    return store


def _unpack(store: Store, stream: Readable) -> tuple[bytes | None, dict[str, Descriptor], dict[str, str]]:
    """The layout's index if there is one; every file, stored as a blob, by its path; and the links among them."""
    index: bytes | None = None
    files: dict[str, Descriptor] = {}
    links: dict[str, str] = {}
    for member, contents in read_files(stream):
        match member.kind:
            case "symlink" if member.target is not None:
                links[member.path] = posixpath.normpath(posixpath.join(posixpath.dirname(member.path), member.target))
            case "hardlink" if member.target is not None:
                links[member.path] = member.target
            case "file" if is_index(member.path):
                index = _small(contents, member.size, member.path)
            case "file":
                files[member.path] = _stored(store, blob_digest(member.path), contents)
    return index, files, links


def _stored(store: Store, expected: Digest | None, contents: Readable) -> Descriptor:
    """A file as a blob, which is what its path in a layout says, if that says anything. Raises DigestMismatch."""
    with store.writer() as blob:
        if expected is not None:
            blob.hash_with(expected)
        for chunk in _chunks(contents):
            blob.write(chunk)
        return Descriptor(media_type=mediatype.LAYER, digest=blob.commit(expected), size=blob.size)


def _docker(store: Store, files: dict[str, Descriptor], links: dict[str, str]) -> None:
    """Make manifests of what `docker save` wrote: its layers compressed, its config as it is."""

    def file(name: str) -> Descriptor:
        for _ in range(_LINKS):
            if name in files:
                return files[name]
            name = links.get(name, "")
        raise Malformed("archive", name, expected="every file that its manifest.json names")

    made: dict[Digest, tuple[Descriptor, Digest]] = {}

    def layer(name: str) -> tuple[Descriptor, Digest]:
        tar = file(name)
        if tar.digest not in made:  # images share layers, and who means harm names one a thousand times
            made[tar.digest] = _compressed(store, tar)
        return made[tar.digest]

    # an array at the top, which no OCI document has
    listed = document.load(b'{"images":' + store.read(file(_DOCKER)) + b"}", _DOCKER)
    for image in Fields(listed, _DOCKER).objects("images"):
        raw = store.read(file(image.text("Config")))
        config = Config.parse(raw)
        layers = [layer(name) for name in image.texts("Layers")]
        if [diff_id for _, diff_id in layers] != list(config.diff_ids):
            raise Malformed(
                "archive", image.text("Config"), expected="the layers of which the config speaks", where=_DOCKER
            )
        manifest = Manifest.of(config.descriptor, [layer for layer, _ in layers])
        root = store.put(manifest.raw, manifest.media_type)
        names = image.texts("RepoTags") or ("latest",)
        store.update_refs(dict.fromkeys(names, (root, ANY)))


def _compressed(store: Store, tar: Descriptor) -> tuple[Descriptor, Digest]:
    """The layer of the plain tar `tar`, and its diff ID."""
    with store.open_unverified(tar) as stream, store.writer() as blob:
        with compressor("gzip", blob) as plain:  # which hashes what it is given
            while count := stream.readinto(plain.room()):
                plain.advance(count)
        if plain.diff_id != tar.digest:
            raise DigestMismatch(tar.digest, plain.diff_id, where=store.path)
        digest = blob.commit(diff_id=tar.digest)
        return Descriptor(media_type=mediatype.LAYER_GZIP, digest=digest, size=blob.size), tar.digest


def _small(contents: Readable, size: int, name: str) -> bytes:
    if size > document.LIMIT:
        raise Malformed(name, f"{size} bytes", expected=f"at most {document.LIMIT}")
    return b"".join(_chunks(contents))


def _chunks(stream: Readable) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk
