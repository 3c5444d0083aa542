"""Repository: the images of one name in a registry, as a source and a sink of copies. distribution-spec 1.1."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from plumbing.errors import Malformed
from plumbing.oci import document
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.exchange import Source
from plumbing.oci.index import is_node, parse_node
from plumbing.oci.reference import check_repository, check_tag
from plumbing.registry import pages, scope, upload
from plumbing.registry.client import Client
from plumbing.registry.fetch import BlobStream
from plumbing.registry.manifests import Manifests
from plumbing.registry.message import Request
from plumbing.registry.referrers import Referrers
from plumbing.registry.upload import Upload


class Repository:
    """`name` on the registry of `client`. Safe to use from several threads.

    push    ask for the right to push from the start: some registries give a token for pull alone, and refuse it later
    mounts  repositories on the same registry that have a blob
    """

    def __init__(
        self, client: Client, name: str, *, push: bool = False, mounts: Mapping[Digest, str] | None = None
    ) -> None:
        self.name = check_repository(name)
        self._client = client
        self._path = f"/v2/{name}"
        self._mounts = {digest: other for digest, other in (mounts or {}).items() if other != name}
        self._scopes = scope.of_repository(name, push=push)
        self._manifests = Manifests(client, name, self._scopes)
        self._referrers = Referrers(client, name, self._scopes, self._manifests)
        self._lock = threading.Lock()
        # what was taken, should the registry lose it before a manifest names it
        self._sources: dict[Digest, Source] = {}
        self._raws: dict[Digest, bytes] = {}
        self._absent: set[Digest] = set()

    # as a source: plumbing/oci/exchange.py

    def read(self, descriptor: Descriptor) -> bytes:
        """A manifest, index or config, whole and verified. Raises Missing, DigestMismatch, Malformed, RegistryError."""
        if is_node(descriptor.media_type):
            return self._manifests.read(descriptor)
        if descriptor.size > document.LIMIT:
            expected = f"at most {document.LIMIT} bytes, not {descriptor.size}"
            raise Malformed("blob", descriptor.digest, expected=expected)
        with self.open_blob(descriptor) as stream:
            return stream.read()

    def open_blob(self, descriptor: Descriptor) -> BlobStream:
        """A blob as a verified stream. Raises Missing, RegistryError; while it is read, DigestMismatch, Unreachable."""
        return self._open(descriptor, verify=True)

    def open_unverified(self, descriptor: Descriptor) -> BlobStream:
        """As `open_blob`, for a sink that verifies what it gets: here the bytes are only counted."""
        return self._open(descriptor, verify=False)

    def resolve(self, reference: str | Digest) -> Descriptor:
        """What a tag or a digest means now. Raises Missing, Malformed, RegistryError."""
        return self._manifests.resolve(reference if isinstance(reference, Digest) else check_tag(reference))

    def tags(self) -> Iterator[str]:
        """The tags, in the registry's order. Raises Missing, RegistryError. distribution-spec 1.1, "Listing Tags"."""
        request = Request(
            method="GET",
            url=self._client.url(f"{self._path}/tags/list?n={pages.SIZE}"),
            doing=f"list the tags of '{self}'",
            scopes=self._scopes,
            limit=pages.LIMIT,
        )
        for page in pages.following(self._client, request, self._client.ask(request, 200)):
            value = document.load(page.body or b"", "list of tags", limit=pages.LIMIT)
            yield from document.Fields(value, "list of tags").texts("tags")

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Iterator[Descriptor]:
        """The manifests whose subject is `digest`, by the API or the fallback tag. Raises RegistryError, Malformed."""
        return self._referrers.of(digest, artifact_type)

    # as a sink

    def sign_in(self) -> None:
        """Find out early whether who pushes here is refused: by asking for what no registry has, as the push will ask.

        Where nobody is asked who they are, nothing is sent. What is not allowed, or not there, the push will say.
        Raises Unauthorized, CredentialError, RegistryError.
        """
        if self._client.is_guarded:
            nothing = Digest.of(b"")
            self._manifests.means(nothing, nothing, f"push to '{self}'")

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
            self._upload(blob, source, self._mounts.get(blob.digest))

    def take_node(self, node: Descriptor, raw: bytes) -> None:
        """Put a manifest or index, whose children are there, by its digest. Raises RegistryError.

        One with a subject is found by it afterwards, on registries without the referrers API too.
        """
        with self._lock:
            self._raws[node.digest] = raw
        if node.digest in self._absent or not self._has_node(node):
            self._put(node.digest, node, raw, self._pushing(node))
        self._referrers.add(node, raw)

    def tag(self, name: str, root: Descriptor, raw: bytes) -> None:
        """Make the tag `name` mean `root`, whose bytes are `raw` and which is there. Raises RegistryError."""
        doing = f"push '{self}:{check_tag(name)}'"
        # a registry whose tags are fixed would refuse even the same
        if not self._manifests.means(name, root.digest, doing):
            self._put(name, root, raw, doing)

    def _put(self, reference: str | Digest, node: Descriptor, raw: bytes, doing: str) -> None:
        self._manifests.put(reference, node, raw, doing, lambda: self._mend(node, raw))

    def _mend(self, node: Descriptor, raw: bytes) -> None:
        """Push again what the registry lost of what it had taken. registries.md 1.2, step 9."""
        for child in parse_node(raw, node.media_type).children:
            if child.digest in self._raws:
                if not self._has_node(child):
                    self._put(child.digest, child, self._raws[child.digest], self._pushing(child))
            elif child.digest in self._sources and not self._has_blob(child):
                self._upload(child, self._sources[child.digest], None)

    def _open(self, descriptor: Descriptor, *, verify: bool) -> BlobStream:
        url = self._client.url(f"{self._path}/blobs/{descriptor.digest}")
        return BlobStream(self._client, url, descriptor, scopes=self._scopes, where=str(self), verify=verify)

    def _has_node(self, node: Descriptor) -> bool:
        return self._manifests.means(node.digest, node.digest, self._pushing(node))

    def _has_blob(self, blob: Descriptor) -> bool:
        path = f"{self._path}/blobs/{blob.digest}"
        return upload.is_there(self._client, path, blob.size, self._scopes, self._pushing(blob))

    def _upload(self, blob: Descriptor, source: Source, mount: str | None) -> None:
        Upload(self._client, self.name, blob, source, scopes=self._scopes, mount=mount).run()

    def _pushing(self, item: Descriptor) -> str:
        return f"push '{item.digest}' to '{self}'"

    def __str__(self) -> str:
        """host/name, as in references."""
        return self._manifests.where
