"""Referrers: which manifests have another as their subject. distribution-spec 1.1, "Listing Referrers", "Referrers Tag
Schema"; registries.md, section 6.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import quote

from plumbing.errors import Missing, RegistryError
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index, parse_node
from plumbing.oci.manifest import Manifest
from plumbing.registry import pages
from plumbing.registry.client import Client
from plumbing.registry.manifests import Manifests
from plumbing.registry.message import Answer, Request

_UNSUPPORTED = frozenset({400, 404})
_RACES = 3


class Referrers:
    """Those in the repository `name` on the registry of `client`."""

    def __init__(self, client: Client, name: str, scopes: tuple[str, ...], manifests: Manifests) -> None:
        self._client = client
        self._path = f"/v2/{name}/referrers"
        self._scopes = scopes
        self._manifests = manifests
        self._lock = threading.Lock()  # two threads that change one fallback tag would each lose the other's entry

    def of(self, subject: Digest, artifact_type: str | None) -> Iterator[Descriptor]:
        """What refers to `subject`, in the registry's order; all kinds where no `artifact_type` is asked for.

        Raises RegistryError, Malformed.
        """
        doing = f"list the referrers of '{subject}' in '{self._manifests.where}'"
        kind = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        request = self._request(subject, doing, kind)
        first = self._ask(request)
        if first is None:
            found: Iterator[Descriptor] = iter(self._tagged(subject, doing)[1])
        else:
            found = (
                descriptor
                for page in pages.following(self._client, request, first)
                for descriptor in Index.parse(page.body or b"").manifests
            )
        for descriptor in found:  # OCI-Filters-Applied or not: looking again costs nothing
            if artifact_type is None or descriptor.artifact_type == artifact_type:
                yield descriptor

    def add(self, node: Descriptor, raw: bytes) -> None:
        """Make `node`, which was put, be found by its subject, if it has one and the registry does not see to it."""
        document = parse_node(raw, node.media_type)
        if document.subject is None:
            return
        subject = document.subject.digest
        doing = f"push '{node.digest}' to '{self._manifests.where}' as a referrer of '{subject}'"
        # OCI-Subject in the answer to the PUT proves nothing: Docker Hub sends it and has no such API
        if self._ask(self._request(subject, doing)) is not None:
            return
        entry = _entry(node, document)
        with self._lock:
            for _ in range(_RACES):
                raw_before, entries = self._tagged(subject, doing)
                if any(known.digest == entry.digest for known in entries):
                    return
                index = Index.of([*entries, entry])
                if index.raw == raw_before:
                    return
                self._manifests.put(fallback_tag(subject), index.descriptor, index.raw, doing, lambda: None)
            if any(known.digest == entry.digest for known in self._tagged(subject, doing)[1]):
                return
        self._wrong(subject, doing, "is changed by others all the time; push again later")

    def _request(self, subject: Digest, doing: str, query: str = "") -> Request:
        url = self._client.url(f"{self._path}/{subject}{query}")
        headers = {"Accept": mediatype.INDEX}
        return Request(method="GET", url=url, doing=doing, headers=headers, scopes=self._scopes, limit=pages.LIMIT)

    def _ask(self, request: Request) -> Answer | None:
        """The first page of the API; None where there is no such API."""
        answer = self._client.send(request)
        if answer.status in _UNSUPPORTED or (answer.status == 401 and not answer.headers.all("www-authenticate")):
            return None
        if answer.status != 200:
            self._client.refuse(request.doing, self._scopes, answer)
        return answer

    def _tagged(self, subject: Digest, doing: str) -> tuple[bytes, tuple[Descriptor, ...]]:
        """The index under the fallback tag, and its entries; nothing where there is no such tag."""
        try:
            raw, media_type = self._manifests.get(fallback_tag(subject), doing)
        except Missing:
            return b"", ()
        if media_type != mediatype.INDEX or Digest.of(raw) == subject:
            self._wrong(subject, doing, "is no list of referrers, and stays as it is")
        index = Index.parse(raw)
        if index.subject is not None and index.subject.digest != subject:
            self._wrong(subject, doing, "lists the referrers of another manifest, and stays as it is")
        return raw, index.manifests

    def _wrong(self, subject: Digest, doing: str, what: str) -> NoReturn:
        host = self._client.host
        raise RegistryError(f"cannot {doing}: the tag '{fallback_tag(subject)}' on '{host}' {what}", host=host)


def fallback_tag(subject: Digest) -> str:
    """Where registries without the API keep the list. distribution-spec 1.1, "Referrers Tag Schema"."""
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


def _entry(node: Descriptor, document: Manifest | Index) -> Descriptor:
    """How a list of referrers names `node`. distribution-spec 1.1, "Pushing Manifests with Subject"."""
    kind = document.artifact_type
    if kind is None and isinstance(document, Manifest):
        kind = document.config.media_type
    return Descriptor(
        media_type=node.media_type,
        digest=node.digest,
        size=node.size,
        artifact_type=kind,
        annotations=document.annotations,
    )
