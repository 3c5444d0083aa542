"""Manifests and indexes, by tag and by digest. distribution-spec 1.1, "Pulling manifests", "Pushing Manifests"."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from plumbing.errors import DigestMismatch, Malformed, NotFound, RefConflict, shown
from plumbing.oci import document
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import is_node, parse_node, sniff
from plumbing.oci.reference import check_tag
from plumbing.server import names
from plumbing.server.refusal import Refusal, digest_invalid, manifest_blob_unknown, manifest_invalid, manifest_unknown
from plumbing.server.registry import Registry, digest_in, registry_of, repository_of
from plumbing.store import Store
from plumbing.store.refs import ANY, Expected


class Manifest(HTTPEndpoint):
    """/v2/<name>/manifests/<reference>"""

    def get(self, request: Request) -> Response:
        descriptor, raw = _find(registry_of(request), repository_of(request), _reference(request))
        headers = {
            "Content-Type": descriptor.media_type,
            "Docker-Content-Digest": str(descriptor.digest),
            "ETag": f'"{descriptor.digest}"',
        }
        return Response(raw, headers=headers)

    async def put(self, request: Request) -> Response:
        repository = repository_of(request)
        reference = _reference(request)
        if isinstance(reference, str):
            _check_tag(reference)
        raw = await _body(request)
        return await run_in_threadpool(_put, request, repository, reference, raw)

    def delete(self, request: Request) -> Response:
        _delete(registry_of(request), repository_of(request), _reference(request))
        return Response(status_code=202)


def _reference(request: Request) -> str | Digest:
    text: str = request.path_params["reference"]
    return digest_in(text) if ":" in text else text


def _find(registry: Registry, repository: str, reference: str | Digest) -> tuple[Descriptor, bytes]:
    """A manifest and its verified bytes. Raises Refusal."""
    store = registry.store
    try:
        if isinstance(reference, str):
            tag = names.find(store, repository, reference)
            if tag is None or not is_node(tag.descriptor.media_type):
                raise manifest_unknown(f"cannot find '{shown(f'{repository}:{reference}')}': no such tag")
            return tag.descriptor, store.read(tag.descriptor)
        if (repository, reference) in registry.deleted:
            raise manifest_unknown(f"cannot find '{repository}@{reference}': it was deleted")
        return _by_digest(store, reference)
    except (NotFound, DigestMismatch) as error:
        raise manifest_unknown(error) from None


def _by_digest(store: Store, digest: Digest) -> tuple[Descriptor, bytes]:
    """Any manifest of the store. What its type is, its bytes tell; a blob of another kind is no manifest."""
    size = store.blobs.size(digest)
    if size is None:
        raise NotFound.blob(digest, store.path)
    if size <= document.LIMIT:
        with store.blobs.open(digest) as blob:
            raw = blob.read()
        try:
            return Descriptor(media_type=sniff(raw), digest=digest, size=len(raw)), raw
        except Malformed as error:
            raise manifest_unknown(error) from None
    raise manifest_unknown(f"cannot read '{digest}' as a manifest: it has {size} bytes")


async def _body(request: Request) -> bytes:
    """Raises Refusal for more than every registry must take."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > document.LIMIT:
            raise Refusal(413, "SIZE_INVALID", f"a manifest may have {document.LIMIT} bytes, not more")
    return bytes(raw)


def _put(request: Request, repository: str, reference: str | Digest, raw: bytes) -> Response:
    registry = registry_of(request)
    digest = reference if isinstance(reference, Digest) else Digest.of(raw)
    hasher = digest.hasher()
    hasher.update(raw)
    if (found := Digest.ending(hasher)) != digest:
        raise digest_invalid(f"these bytes are '{found}', not '{digest}'")
    try:
        said = request.headers.get("content-type", "").partition(";")[0].strip()
        node = parse_node(raw, said or sniff(raw))
    except Malformed as error:
        raise manifest_invalid(error) from None
    for child in node.children:
        if registry.store.lacks(child):  # as update_ref says it, but before a manifest without its blobs can be read
            raise manifest_blob_unknown(NotFound.blob(child.digest, registry.store.path))
    descriptor = Descriptor(media_type=node.media_type, digest=digest, size=len(raw))
    with registry.store.writer() as writer:
        writer.hash_with(digest)
        writer.write(raw)
        writer.commit(digest)
    try:
        registry.store.update_ref(names.ref_of(repository, reference), descriptor, _expected(request))
    except NotFound as error:
        raise manifest_blob_unknown(error) from None
    except RefConflict as error:
        raise Refusal(412, "DENIED", error) from None
    registry.deleted.discard((repository, digest))
    headers = {"Location": f"/v2/{repository}/manifests/{reference}", "Docker-Content-Digest": str(digest)}
    if node.subject is not None:
        headers["OCI-Subject"] = str(node.subject.digest)
    return Response(status_code=201, headers=headers)


def _check_tag(reference: str) -> None:
    try:
        check_tag(reference)
    except Malformed as error:
        raise manifest_invalid(error) from None


def _expected(request: Request) -> Expected:
    """What the tag must be, by `If-None-Match: *` or `If-Match: "digest"`. RFC 9110, section 13.1."""
    if request.headers.get("if-none-match") == "*":
        return None
    condition = request.headers.get("if-match", "*")
    return ANY if condition == "*" else digest_in(condition.strip('"'))


def _delete(registry: Registry, repository: str, reference: str | Digest) -> None:
    """Delete the refs that name it. Its bytes go with gc, if no other name needs them."""
    store = registry.store
    if isinstance(reference, str):
        tag = names.find(store, repository, reference)
        if tag is None or not names.forget(store, tag.refs, tag.descriptor.digest):
            raise manifest_unknown(f"cannot delete '{shown(f'{repository}:{reference}')}': no such tag")
        return
    found = names.read(store, repository) or names.Repository()
    refs = [ref for tag in found.tags.values() if tag.descriptor.digest == reference for ref in tag.refs]
    if reference in found.digests:
        refs.append(found.digests[reference])
    if not names.forget(store, refs, reference):
        raise manifest_unknown(f"cannot delete '{repository}@{reference}': nothing in that repository names it")
    registry.deleted.add((repository, reference))
