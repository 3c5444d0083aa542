"""Manifests of one repository: found, read and put, by tag or digest. distribution-spec 1.1; registries.md 1.2, 1.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from plumbing.errors import DigestMismatch, Malformed, RegistryError
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import is_node, parse_node, sniff
from plumbing.registry.client import Client
from plumbing.registry.message import Answer, Raw, Request
from plumbing.registry.problem import Problem

LIMIT = 8 * 1024 * 1024
"""Bytes of a manifest that are read."""

_ACCEPT = ", ".join(
    (mediatype.INDEX, mediatype.MANIFEST, mediatype.DOCKER_INDEX, mediatype.DOCKER_MANIFEST)
)  # Quay makes a schema 1 manifest for who does not name them all
_UNKNOWN = ("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN")
_SETTLE = 1.5  # seconds until a registry that lost sight of a blob sees it again


class Manifests:
    """Those of `name` on the registry of `client`. `scopes` are what a token must allow."""

    def __init__(self, client: Client, name: str, scopes: tuple[str, ...]) -> None:
        self.where = f"{client.host}/{name}"
        self._client = client
        self._path = f"/v2/{name}/manifests"
        self._scopes = scopes

    def resolve(self, reference: str | Digest) -> Descriptor:
        """What a tag or a digest means now. Raises Missing, Malformed, RegistryError. registries.md 1.3, step 1.

        For a tag the registry's word is taken: whoever reads the manifest by that digest has proof.
        """
        doing = f"find '{reference}' in '{self.where}'"
        wanted = reference if isinstance(reference, Digest) else None
        answer = self._head(reference, doing)
        found = wanted or said_digest(answer)
        if answer.status == 200 and found is not None and answer.headers.length is not None and is_node(_type(answer)):
            return Descriptor(media_type=_type(answer), digest=found, size=answer.headers.length)
        if answer.status == 404:
            self._client.refuse(doing, self._scopes, answer)
        raw, media_type = self.get(reference, doing)
        return Descriptor(media_type=media_type, digest=wanted or Digest.of(raw), size=len(raw))

    def read(self, node: Descriptor) -> bytes:
        """The bytes of `node`. Raises Missing, DigestMismatch, Malformed, RegistryError."""
        if node.size > LIMIT:
            raise Malformed("manifest", node.digest, expected=f"at most {LIMIT} bytes, not {node.size}")
        raw, media_type = self.get(node.digest, f"fetch '{node.digest}' from '{self.where}'")
        if len(raw) != node.size:
            raise DigestMismatch(node.digest, f"{len(raw)} bytes, expected {node.size}", where=self.where)
        if media_type != node.media_type:
            expected = f"'{node.media_type}', as what points to it says"
            raise Malformed("manifest", media_type, expected=expected, where=self.where)
        return raw

    def get(self, reference: str | Digest, doing: str) -> tuple[bytes, str]:
        """The bytes of a manifest and its media type; verified against the digest, if that was asked for."""
        answer = self._send("GET", reference, doing)
        if answer.status != 200:
            self._client.refuse(doing, self._scopes, answer)
        raw = answer.body
        if raw is None:
            self._bad(doing, f"sent a manifest of more than {LIMIT} bytes")
        if isinstance(reference, Digest) and (found := _digest(raw, reference)) != reference:
            raise DigestMismatch(reference, found, where=self.where)
        media_type = _type(answer) if is_node(_type(answer)) else sniff(raw)
        parse_node(raw, media_type)  # a document that says to be another kind is refused: CVE-2021-41190
        return raw, media_type

    def means(self, reference: str | Digest, digest: Digest, doing: str) -> bool:
        """Whether `reference` is `digest` there. What is not allowed to be seen counts as absent: the PUT decides."""
        answer = self._head(reference, doing)
        if answer.status == 200:
            said = said_digest(answer)
            return said == digest or (said is None and reference == digest)
        if answer.status in (403, 404):
            return False
        if answer.status in (400, 405):  # HEAD is not known there, or what is wrong stands in a body that it has not
            answer = self._send("GET", reference, doing)
        if answer.status in (403, 404):
            return False
        if answer.status != 200:
            self._client.refuse(doing, self._scopes, answer)
        return answer.body is not None and _digest(answer.body, digest) == digest

    def put(self, reference: str | Digest, node: Descriptor, raw: bytes, doing: str, mend: Callable[[], None]) -> None:
        """Put `raw` by a tag or its digest. Raises RegistryError.

        mend  makes what `node` points to be there again, should the registry have lost it
        """
        answer = self._put(reference, node, raw, doing)
        if _lacks_children(answer):
            mend()
            self._client.pause(_SETTLE, f"'{self._client.host}' does not see all blobs")
            answer = self._put(reference, node, raw, doing)
        if answer.status not in (200, 201, 202):
            self._client.refuse(doing, self._scopes, answer)
        said = said_digest(answer)
        if said not in (node.digest, None):
            self._bad(doing, f"says that it took '{said}' instead")
        # 201 is what the specification has; of another success without a digest, something in between may be the author
        if answer.status != 201 and said is None and _digest(self.get(reference, doing)[0], node.digest) != node.digest:
            self._bad(doing, f"says {answer.status}, and has something else")

    def _put(self, reference: str | Digest, node: Descriptor, raw: bytes, doing: str) -> Answer:
        request = Request(
            method="PUT",
            url=self._client.url(f"{self._path}/{reference}"),
            doing=doing,
            headers={"Content-Type": node.media_type},
            body=Raw(raw),
            scopes=self._scopes,
            limit=LIMIT,
        )
        return self._client.send(request)

    def _head(self, reference: str | Digest, doing: str) -> Answer:
        return self._send("HEAD", reference, doing)

    def _send(self, method: str, reference: str | Digest, doing: str) -> Answer:
        request = Request(
            method=method,
            url=self._client.url(f"{self._path}/{reference}"),
            doing=doing,
            headers={"Accept": _ACCEPT},
            scopes=self._scopes,
            limit=LIMIT,
        )
        return self._client.send(request)

    def _bad(self, doing: str, what: str) -> NoReturn:
        raise RegistryError(f"cannot {doing}: '{self._client.host}' {what}", host=self._client.host)


def said_digest(answer: Answer) -> Digest | None:
    """Docker-Content-Digest: what the registry says, which proves nothing."""
    text = answer.headers.get("docker-content-digest")
    try:
        return None if text is None else Digest.parse(text)
    except Malformed:
        return None


def _lacks_children(answer: Answer) -> bool:
    problem = answer.problem or Problem()
    return problem.has(*_UNKNOWN) or (answer.status == 404 and "unknown blob" in problem.text.lower())


def _type(answer: Answer) -> str:
    """The media type of Content-Type, without its parameters."""
    return (answer.headers.get("content-type") or "").partition(";")[0].strip().lower()


def _digest(raw: bytes, like: Digest) -> Digest:
    """The digest of `raw` by the algorithm of another."""
    hasher = like.hasher()
    hasher.update(raw)
    return Digest.ending(hasher)
