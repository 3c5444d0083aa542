"""Repository: the images of one name in a registry, as a source and a sink of copies. distribution-spec 1.1."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import NoReturn

from plumbing.errors import DigestMismatch, Malformed, RegistryError
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.exchange import Source
from plumbing.oci.index import is_node, parse_node, sniff
from plumbing.oci.reference import check_repository, check_tag
from plumbing.registry import redirect, scope, upload
from plumbing.registry.client import Client
from plumbing.registry.fetch import BlobStream
from plumbing.registry.message import Answer, Raw, Request
from plumbing.registry.problem import Problem
from plumbing.registry.upload import Upload

MANIFEST_LIMIT = 8 * 1024 * 1024
"""Bytes of a manifest that are read."""

_PAGE = 1000  # ECR refuses more
_PAGES = 1000
_PAGE_LIMIT = 8 * 1024 * 1024
_ACCEPT = ", ".join(
    (mediatype.INDEX, mediatype.MANIFEST, mediatype.DOCKER_INDEX, mediatype.DOCKER_MANIFEST)
)  # Quay makes a schema 1 manifest for who does not name them all
_UNKNOWN = ("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN")
_SETTLE = 1.5  # seconds until a registry that lost sight of a blob sees it again


class Repository:
    """`name` on the registry of `client`. Safe to use from several threads.

    push    ask for the right to push from the start: some registries give a token for pull alone, and refuse it later
    mounts  repositories on the same registry that have a blob
    """

    def __init__(
        self, client: Client, name: str, *, push: bool = False, mounts: Mapping[Digest, str] | None = None
    ) -> None:
        self.name = check_repository(name)
        self.where = f"{client.host}/{name}"
        self._client = client
        self._path = f"/v2/{name}"
        self._push = push
        self._mounts = {digest: other for digest, other in (mounts or {}).items() if other != name}
        self._scopes = scope.of_repository(name, push=push, mounts=self._mounts.values())
        self._lock = threading.Lock()
        self._sources: dict[Digest, Source] = {}  # of the blobs that were taken, should the registry lose one
        self._raws: dict[Digest, bytes] = {}
        self._absent: set[Digest] = set()

    # as a source: plumbing/oci/exchange.py

    def read(self, descriptor: Descriptor) -> bytes:
        """A manifest, index or config, whole and verified. Raises Missing, DigestMismatch, Malformed, RegistryError."""
        if is_node(descriptor.media_type):
            return self._read_node(descriptor)
        if descriptor.size > document.LIMIT:
            raise Malformed(
                "blob", descriptor.digest, expected=f"at most {document.LIMIT} bytes, not {descriptor.size}"
            )
        with self.open_blob(descriptor) as stream:
            return stream.read()

    def open_blob(self, descriptor: Descriptor) -> BlobStream:
        """A blob as a verified stream. Raises Missing, RegistryError; while it is read, DigestMismatch, Unreachable."""
        url = self._client.url(f"{self._path}/blobs/{descriptor.digest}")
        return BlobStream(self._client, url, descriptor, scopes=self._scopes, where=self.where)

    def resolve(self, reference: str | Digest) -> Descriptor:
        """What a tag or a digest means now. Raises Missing, Malformed, RegistryError. registries.md 1.3, step 1."""
        wanted = reference if isinstance(reference, Digest) else None
        if wanted is None:
            check_tag(str(reference))
        doing = f"find '{reference}' in '{self.where}'"
        head = self._manifest("HEAD", reference, doing)
        found = wanted or _said_digest(head)
        if head.status == 200 and found is not None and head.length is not None and is_node(_type(head)):
            return Descriptor(media_type=_type(head), digest=found, size=head.length)
        if head.status not in (200, 403, 405):
            self._client.refuse(doing, self._scopes, head)
        raw, media_type = self._get(reference, doing, wanted)
        return Descriptor(media_type=media_type, digest=wanted or Digest.of(raw), size=len(raw))

    def tags(self) -> Iterator[str]:
        """The tags, in the registry's order. Raises Missing, RegistryError. distribution-spec 1.1, "Listing Tags"."""
        doing = f"list the tags of '{self.where}'"
        url: str | None = self._client.url(f"{self._path}/tags/list?n={_PAGE}")
        for _ in range(_PAGES):
            request = Request(method="GET", url=url or "", doing=doing, scopes=self._scopes, limit=_PAGE_LIMIT)
            answer = self._client.ask(request, 200)
            following = redirect.next_page(answer)
            if answer.body is None:
                self._bad(doing, f"more than {_PAGE_LIMIT} bytes on a page")
            page = document.load(answer.body, "list of tags", limit=_PAGE_LIMIT)
            yield from document.Fields(page, "list of tags").texts("tags")
            if following is None:
                return
            if following == url:
                self._bad(doing, "a page that follows itself")
            url = following
        self._bad(doing, f"more than {_PAGES} pages")

    # as a sink

    def complete(self, node: Descriptor) -> bool:
        """Whether the registry has `node`, for which it had to have all below it. Raises RegistryError."""
        if self._has_node(node):
            return True
        with self._lock:
            self._absent.add(node.digest)
        return False

    def take(self, blob: Descriptor, source: Source) -> None:
        """Make `blob` be there: by nothing, a mount, or an upload. Raises what reading `source` does; RegistryError."""
        with self._lock:
            self._sources[blob.digest] = source
        if not self._has_blob(blob):
            mount = self._mounts.get(blob.digest)
            Upload(self._client, self.name, blob, source, scopes=self._scopes, mount=mount).run()

    def take_node(self, node: Descriptor, raw: bytes) -> None:
        """Put a manifest or index, whose children are there, by its digest. Raises RegistryError."""
        self._raws[node.digest] = raw
        if node.digest in self._absent or not self._has_node(node):
            self._put_node(node, raw)

    def tag(self, name: str, root: Descriptor, raw: bytes) -> None:
        """Make the tag `name` mean `root`, whose bytes are `raw` and which is there. Raises RegistryError."""
        check_tag(name)
        doing = f"push '{self.where}:{name}'"
        answer = self._manifest("HEAD", name, doing)
        if answer.status == 200 and _said_digest(answer) == root.digest:
            return  # a registry whose tags are fixed would refuse even the same
        if answer.status not in (200, 403, 404, 405):
            self._client.refuse(doing, self._scopes, answer)
        self._put(name, root, raw, doing)

    # manifests

    def _manifest(self, method: str, reference: object, doing: str) -> Answer:
        request = Request(
            method=method,
            url=self._client.url(f"{self._path}/manifests/{reference}"),
            doing=doing,
            headers={"Accept": _ACCEPT},
            scopes=self._scopes,
            limit=MANIFEST_LIMIT,
        )
        return self._client.send(request)

    def _read_node(self, node: Descriptor) -> bytes:
        if node.size > MANIFEST_LIMIT:
            raise Malformed("manifest", node.digest, expected=f"at most {MANIFEST_LIMIT} bytes, not {node.size}")
        doing = f"fetch '{node.digest}' from '{self.where}'"
        raw, media_type = self._get(node.digest, doing, node.digest)
        if len(raw) != node.size:
            raise DigestMismatch(node.digest, f"{len(raw)} bytes, expected {node.size}", where=self.where)
        if media_type != node.media_type:
            raise Malformed(
                "manifest", media_type, expected=f"'{node.media_type}', as what points to it says", where=self.where
            )
        return raw

    def _get(self, reference: object, doing: str, wanted: Digest | None) -> tuple[bytes, str]:
        """The bytes of a manifest, verified against the digest that was asked for, and its media type."""
        answer = self._manifest("GET", reference, doing)
        if answer.status != 200:
            self._client.refuse(doing, self._scopes, answer)
        raw = answer.body
        if raw is None:
            self._bad(doing, f"a manifest of more than {MANIFEST_LIMIT} bytes")
        if wanted is not None and (found := _digest(raw, wanted)) != wanted:
            raise DigestMismatch(wanted, found, where=self.where)
        media_type = _type(answer) if is_node(_type(answer)) else sniff(raw)
        parse_node(raw, media_type)  # a document that says to be another kind is refused: CVE-2021-41190
        return raw, media_type

    def _has_node(self, node: Descriptor) -> bool:
        doing = f"push '{node.digest}' to '{self.where}'"
        answer = self._manifest("HEAD", node.digest, doing)
        if answer.status == 200:
            return _said_digest(answer) in (node.digest, None)
        if answer.status == 405:
            answer = self._manifest("GET", node.digest, doing)
            return answer.status == 200 and answer.body is not None and _digest(answer.body, node.digest) == node.digest
        if answer.status not in (403, 404):
            self._client.refuse(doing, self._scopes, answer)
        return False

    def _put_node(self, node: Descriptor, raw: bytes) -> None:
        self._put(str(node.digest), node, raw, f"push '{node.digest}' to '{self.where}'")

    def _put(self, reference: str, node: Descriptor, raw: bytes, doing: str) -> None:
        answer = self._try_put(reference, node, raw, doing)
        if answer.status >= 400 and self._lacks_children(answer):
            self._push_children(node, raw)
            self._client.pause(_SETTLE, f"'{self._client.host}' does not see all blobs")
            answer = self._try_put(reference, node, raw, doing)
        if answer.status not in (200, 201, 202):
            self._client.refuse(doing, self._scopes, answer)
        said = _said_digest(answer)
        if said not in (node.digest, None):
            self._bad(doing, f"that it took '{said}' instead")

    def _try_put(self, reference: str, node: Descriptor, raw: bytes, doing: str) -> Answer:
        request = Request(
            method="PUT",
            url=self._client.url(f"{self._path}/manifests/{reference}"),
            doing=doing,
            headers={"Content-Type": node.media_type},
            body=Raw(raw),
            scopes=self._scopes,
            limit=0,
        )
        return self._client.send(request)

    def _lacks_children(self, answer: Answer) -> bool:
        problem = answer.problem or Problem()
        return problem.has(*_UNKNOWN) or (answer.status == 404 and "unknown blob" in problem.text.lower())

    def _push_children(self, node: Descriptor, raw: bytes) -> None:
        """Push again what a registry lost of what it had taken. registries.md 1.2, step 9."""
        for child in parse_node(raw, node.media_type).children:
            if child.digest in self._raws:
                if not self._has_node(child):
                    self._put_node(child, self._raws[child.digest])
            elif child.digest in self._sources and not self._has_blob(child):
                Upload(self._client, self.name, child, self._sources[child.digest], scopes=self._scopes).run()

    # blobs

    def _has_blob(self, blob: Descriptor) -> bool:
        doing = f"push '{blob.digest}' to '{self.where}'"
        return upload.is_there(self._client, f"{self._path}/blobs/{blob.digest}", blob.size, self._scopes, doing)

    def _bad(self, doing: str, what: str) -> NoReturn:
        raise RegistryError(f"cannot {doing}: '{self._client.host}' sent {what}", host=self._client.host)

    def __str__(self) -> str:
        return self.where


def _type(answer: Answer) -> str:
    """The media type of Content-Type, without its parameters."""
    return (answer.headers.get("content-type") or "").partition(";")[0].strip().lower()


def _said_digest(answer: Answer) -> Digest | None:
    """Docker-Content-Digest: what the registry says, which proves nothing."""
    text = answer.headers.get("docker-content-digest")
    try:
        return None if text is None else Digest.parse(text)
    except Malformed:
        return None


def _digest(raw: bytes, like: Digest) -> Digest:
    """The digest of `raw` by the algorithm of another."""
    hasher = like.hasher()
    hasher.update(raw)
    return Digest.ending(hasher)
