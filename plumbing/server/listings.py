"""Lists: tags, referrers, repositories. distribution-spec 1.1, "Content Discovery"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from plumbing.errors import DigestMismatch, Malformed, NotFound, shown
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index, is_node
from plumbing.oci.manifest import Manifest
from plumbing.server import names
from plumbing.server.refusal import Refusal
from plumbing.server.registry import digest_in, registry_of, repository_of
from plumbing.store import Store

_DIGITS = 18
"""Of a number in a query that can mean anything."""

_PAGE = document.LIMIT // 2
"""Bytes of descriptors in one answer: an index must stay within what every client reads."""


class Tags(HTTPEndpoint):
    """/v2/<name>/tags/list"""

    def get(self, request: Request) -> Response:
        name = repository_of(request)
        found = names.read(registry_of(request).store, name)
        if found is None:
            raise Refusal(404, "NAME_UNKNOWN", f"cannot list '{name}': nothing is stored under that name")
        page, headers = _page(request, found.tags)
        return JSONResponse({"name": name, "tags": page}, headers=headers)


class Catalog(HTTPEndpoint):
    """/v2/_catalog, which is docker's: the specification lists no repositories."""

    def get(self, request: Request) -> Response:
        page, headers = _page(request, names.repositories(registry_of(request).store))
        return JSONResponse({"repositories": page}, headers=headers)


class Referrers(HTTPEndpoint):
    """/v2/<name>/referrers/<digest>. As blobs and manifests, referrers are the store's, not a repository's."""

    def get(self, request: Request) -> Response:
        repository_of(request)
        digest = digest_in(request.path_params["digest"])
        found = _referrers(registry_of(request).store, digest)
        headers: dict[str, str] = {}
        if (wanted := request.query_params.get("artifactType")) is not None:
            found = [referrer for referrer in found if referrer.artifact_type == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        last = request.query_params.get("last", "")
        rest = [referrer for referrer in found if str(referrer.digest) > last]
        page = _fitting(rest)
        if len(page) < len(rest):
            headers["Link"] = _link(request, last=page[-1].digest)
        return Response(Index.of(page).raw, headers=headers, media_type=mediatype.INDEX)


def _page(request: Request, items: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """The part of `items` that `n` and `last` ask for, in lexical order, and the Link to the next."""
    last = request.query_params.get("last", "")
    rest = sorted((item for item in items if _order(item) > _order(last)), key=_order)
    said = request.query_params.get("n")
    if said is None:
        return rest, {}
    if not said.isdecimal() or len(said) > _DIGITS:
        raise Refusal(400, "PAGINATION_NUMBER_INVALID", f"malformed n '{shown(said)}': expected a number")
    page = rest[: int(said)]
    if not page or len(page) == len(rest):
        return page, {}
    return page, {"Link": _link(request, n=said, last=page[-1])}


def _order(item: str) -> tuple[str, str]:
    """Letters before their capitals, not all capitals before all letters: "case-insensitive alphanumeric order"."""
    return item.lower(), item


def _link(request: Request, **changes: Any) -> str:
    """RFC 8288."""
    return f'<{request.url.path}?{urlencode({**request.query_params, **changes})}>; rel="next"'


def _fitting(referrers: list[Descriptor]) -> list[Descriptor]:
    """As many from the start as one answer holds; at least one."""
    size = 0
    for count, referrer in enumerate(referrers):
        size += len(str(referrer))
        if size > _PAGE and count:
            return referrers[:count]
    return referrers


def _referrers(store: Store, subject: Digest) -> list[Descriptor]:
    """What names `subject` as its subject, of all that has a ref or is listed by the tag schema; sorted by digest."""
    found: dict[Digest, Descriptor] = {}
    for descriptor in _candidates(store, subject):
        try:
            node = store.manifest(descriptor)
        except (NotFound, DigestMismatch, Malformed):
            continue  # another process has just deleted it, or a foreign layout has it wrong: it refers to nothing
        if node.subject is None or node.subject.digest != subject:
            continue
        bare = Descriptor(media_type=descriptor.media_type, digest=descriptor.digest, size=descriptor.size)
        artifact_type = node.artifact_type or (node.config.media_type if isinstance(node, Manifest) else None)
        found[bare.digest] = replace(bare, artifact_type=artifact_type, annotations=node.annotations)
    return [found[digest] for digest in sorted(found, key=str)]


def _candidates(store: Store, subject: Digest) -> Iterator[Descriptor]:
    listed = f"{subject.algorithm}-{subject.hex[:64]}"
    for ref in store.refs:
        if not is_node(ref.descriptor.media_type):
            continue
        yield ref.descriptor
        if ref.name is not None and ref.name.endswith(f":{listed}"):
            try:
                children = store.manifest(ref.descriptor).children
            except (NotFound, DigestMismatch, Malformed):
                continue
            yield from (child for child in children if is_node(child.media_type))
