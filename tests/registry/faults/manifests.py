"""Faults of manifests, tags and referrers. registries.md, 4.4."""

from __future__ import annotations

import json
from typing import Any

from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from tests.registry.faults.exchange import Exchange, Go, Head, Layer, once, switch
from tests.registry.faults.server import Registry

# what is taken


@switch
def immutable_tags(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        if _is_tag_put(x) and registry.store.refs.get(f"{x.name}:{x.reference}") is not None:
            await x.refuse(400, "TAG_ALREADY_EXISTS", f"The image tag '{x.reference}' already exists")
            return
        await go()

    return layer


@switch
def kind_change_400(registry: Registry, value: Any) -> Layer:
    """400 when a tag goes from index to manifest."""

    async def layer(x: Exchange, go: Go) -> None:
        if _is_tag_put(x):
            old = registry.store.refs.get(f"{x.name}:{x.reference}")
            new = x.headers.get("content-type", "")
            if old is not None and old.media_type in mediatype.INDEXES and new not in mediatype.INDEXES:
                await x.refuse(400, "MANIFEST_INVALID", "the tag is an index")
                return
        await go()

    return layer


@switch
def oci_types_only(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        put = x.kind == "manifest" and x.method == "PUT"
        if put and ("vnd.docker." in x.headers.get("content-type", "") or b"vnd.docker." in await x.body()):
            await x.refuse(400, "MANIFEST_INVALID", "media types of docker are not supported")
            return
        await go()

    return layer


# what comes


@switch
def hostile_manifest(registry: Registry, value: Any) -> Layer:
    """value  what is under every tag, with its own right digest: "ambiguous", "deep", "wide", "platform" or "urls" """
    raw, media_type = _HOSTILE[value](registry)
    digest = Digest.of(raw)

    async def layer(x: Exchange, go: Go) -> None:
        asked = x.kind == "manifest" and x.method in ("GET", "HEAD")
        if asked and (":" not in x.reference or x.reference == str(digest)):
            body = raw if x.method == "GET" else b""
            length = str(len(raw))
            await x.answer(200, body, Content_Type=media_type, Docker_Content_Digest=str(digest), Content_Length=length)
            return
        await go()

    return layer


def _image(registry: Registry, *, os: str = "linux", layers: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A manifest whose config is in the store."""
    config = {"architecture": "amd64", "os": os, "rootfs": {"type": "layers", "diff_ids": []}}
    stored = registry.store.put(document.dump(config), mediatype.CONFIG)
    return {
        "schemaVersion": 2,
        "mediaType": mediatype.MANIFEST,
        "config": stored.to_json(),
        "layers": layers or [],
    }


def _index(manifests: list[Descriptor], **platform: str) -> bytes:
    entries = [{**manifest.to_json(), **({"platform": platform} if platform else {})} for manifest in manifests]
    return document.dump({"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": entries})


def _ambiguous(registry: Registry) -> tuple[bytes, str]:
    """A manifest or an index, by who reads it."""
    both = {**_image(registry), "manifests": []}
    del both["mediaType"]
    return document.dump(both), mediatype.MANIFEST


def _deep(registry: Registry) -> tuple[bytes, str]:
    inner = registry.store.put(document.dump(_image(registry)), mediatype.MANIFEST)
    for _ in range(20):
        inner = registry.store.put(_index([inner]), mediatype.INDEX)
    return _index([inner]), mediatype.INDEX


def _wide(registry: Registry) -> tuple[bytes, str]:
    """As many manifests as an index of nearly 4 MiB holds; none of them is there."""
    entries = [Descriptor(media_type=mediatype.MANIFEST, digest=Digest.of(b"%d" % i), size=1) for i in range(25_000)]
    return _index(entries), mediatype.INDEX


def _platform(registry: Registry) -> tuple[bytes, str]:
    """Said to be linux/amd64 by the index; its config says windows."""
    child = registry.store.put(document.dump(_image(registry, os="windows")), mediatype.MANIFEST)
    return _index([child], os="linux", architecture="amd64"), mediatype.INDEX


def _urls(registry: Registry) -> tuple[bytes, str]:
    """A layer that is not here, but, says its descriptor, at the other origin."""
    absent = Descriptor(media_type=mediatype.LAYER_GZIP, digest=Digest.of(b"elsewhere"), size=9).to_json()
    urls = {"urls": [f"{registry.scheme}://{registry.other}/layer"]}
    return document.dump(_image(registry, layers=[{**absent, **urls}])), mediatype.MANIFEST


_HOSTILE = {"ambiguous": _ambiguous, "deep": _deep, "wide": _wide, "platform": _platform, "urls": _urls}


# lists


@switch
def list_max(registry: Registry, value: Any) -> Layer:
    """value  the biggest `n` that is no error"""

    async def layer(x: Exchange, go: Go) -> None:
        said = x.param("n")
        if x.kind == "tags" and said is not None and int(said) > value:
            await x.refuse(400, "PAGINATION_NUMBER_INVALID", f"n may be at most {value}")
            return
        await go()

    return layer


@switch
def link_bad(registry: Registry, value: Any) -> Layer:
    """value  "origin": the next page is on the other origin; "endless": there is always a next page"""

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind != "tags":
            await go()
        elif value == "origin":
            link = f'<{x.base("other")}{x.path}?last=a>; rel="next"'
            x.on_head(lambda head: head.headers.update({"Link": link}))
            await go()
        else:
            count = int(x.param("last") or "0") + 1
            body = json.dumps({"name": x.name, "tags": [f"tag{count}"]}).encode()
            await x.answer(200, body, Content_Type="application/json", Link=f'<{x.path}?last={count}>; rel="next"')

    return layer


# referrers


@switch
def subject_header_lie(registry: Registry, value: Any) -> Layer:
    """No referrers API, but OCI-Subject, as if there were one."""
    return _no_referrers(404, subject_header=True)


@switch
def referrers_unsupported(registry: Registry, value: Any) -> Layer:
    """value  404, 400, or 401, without a challenge"""
    return _no_referrers(value)


@switch
def fallback_tag_is_subject(registry: Registry, value: Any) -> Layer:
    """No referrers API, and `sha256-<hex>` is taken for the digest: GET gives the subject."""
    without = _no_referrers(404)

    async def layer(x: Exchange, go: Go) -> None:
        if _is_fallback(x) and x.method in ("GET", "HEAD"):
            x.path = f"/v2/{x.name}/manifests/{x.reference.replace('-', ':', 1)}"
        await without(x, go)

    return layer


@switch
def fallback_race(registry: Registry, value: Any) -> Layer:
    """No referrers API, and another client, that reads the fallback tag when this one does.

    value  True: the other writes after this one, once, and what this one wrote is lost; "before": it writes between the
           GET and the PUT of this one, every time, and loses itself
    """
    without = _no_referrers(404)
    first = once()

    async def layer(x: Exchange, go: Go) -> None:
        if not _is_fallback(x):
            await without(x, go)
            return
        name = f"{x.name}:{x.reference}"
        if x.method == "PUT" and value == "before":
            _write_as_another(registry, name)
        elif x.method == "PUT" and first():
            old = registry.store.refs.get(name)
            await without(x, go)
            _write_as_another(registry, name, old)
            return
        await without(x, go)

    return layer


@switch
def referrers_no_filter(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "referrers":
            x.query = ""
        await go()

    return layer


def _no_referrers(status: int, *, subject_header: bool = False) -> Layer:
    def silent(head: Head) -> None:
        if "oci-subject" in head.headers:
            del head.headers["oci-subject"]

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "referrers":
            await x.refuse(status, "UNAUTHORIZED" if status == 401 else "UNSUPPORTED", "no referrers API")
            return
        if x.kind == "manifest" and not subject_header:
            x.on_head(silent)
        await go()

    return layer


def _write_as_another(registry: Registry, name: str, old: Descriptor | None = None) -> None:
    """Another client's referrer, added to what it had read."""
    store = registry.store
    entries = list(store.manifest(old).children) if old is not None else []
    image = {**_image(registry), "artifactType": "application/vnd.another"}
    entries.append(store.put(document.dump(image), mediatype.MANIFEST))
    store.update_ref(name, store.put(_index(entries), mediatype.INDEX))


def _is_tag_put(x: Exchange) -> bool:
    return x.kind == "manifest" and x.method == "PUT" and ":" not in x.reference


def _is_fallback(x: Exchange) -> bool:
    return x.kind == "manifest" and x.reference.startswith(("sha256-", "sha512-"))
