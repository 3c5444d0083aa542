"""plumbing/oci: the words and documents of the specifications."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn
from urllib.parse import urlsplit

from plumbing.oci import document, mediatype
from plumbing.oci.config import Config, Execution
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index, parse_node, sniff
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference
from tests.fuzz.target import malformed, target, text

# distribution-spec 1.1, "Pulling manifests"
_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
# image-spec 1.1, descriptor.md, "Registered Algorithms"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
# RFC 6838, section 4.2
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")

_JSON = ("null", "true", '""', "{}", "[]", "NaN", "Infinity", "1e999", "\\ud800", "\\u0000", '":', ",")
_DESCRIPTOR = (
    '"mediaType":',
    '"digest":',
    '"size":',
    '"annotations":{"a":"b"}',
    '"platform":{"os":"linux","architecture":"amd64"}',
    '"artifactType":',
    '"data":',
    '"urls":',
    "sha256:",
    mediatype.LAYER_GZIP,
    mediatype.CONFIG,
)
_MANIFEST = (
    '"schemaVersion":2',
    '"config":',
    '"layers":[',
    '"manifests":[',
    '"subject":',
    mediatype.MANIFEST,
    mediatype.INDEX,
    mediatype.DOCKER_MANIFEST,
    mediatype.DOCKER_INDEX,
)


@target("sha256:", "sha512:", "0123456789abcdef" * 4)
def digest(data: bytes) -> None:
    said = text(data)
    found = malformed(Digest.parse, said)
    assert (found is not None) == bool(_DIGEST.fullmatch(said))
    assert found is None or str(found) == said


@target("docker.io/", "localhost", "[::1]", ":5000/", "@sha256:" + "0" * 64, "library/", "--", "__", ":latest")
def reference(data: bytes) -> None:
    found = malformed(Reference.parse, text(data))
    if found is None:
        return
    assert Reference.parse(str(found)) == found
    assert _NAME.fullmatch(found.repository)
    assert found.tag is None or _TAG.fullmatch(found.tag)
    url = urlsplit(f"https://{found.registry}/v2/{found.repository}/manifests/{found.tag or found.digest}")
    assert url.netloc == found.registry, "it reads as another host in a URL"
    assert not url.query + url.fragment
    assert url.port is None or url.port < 1 << 16


@target("linux/", "amd64", "arm/v7", "/")
def platform(data: bytes) -> None:
    found = malformed(Platform.parse, text(data))
    if found is not None:
        assert str(found) == text(data)
        assert found.runs(found)
        assert Platform.from_json(document.Fields(found.to_json(), "platform")) == found


@target("application/", "+json")
def media_type(data: bytes) -> None:
    said = text(data)
    assert (malformed(mediatype.check, said) is not None) == bool(_TYPE.fullmatch(said))
    mediatype.as_oci(said)


@target(*_JSON)
def json_document(data: bytes) -> None:
    found = malformed(document.load, data, "document")
    expected = _strict(data)
    assert found == expected, f"{expected!r} was to be read"
    if found is not None:
        again = document.dump(found)
        assert document.load(again, "document") == found
        assert document.dump(document.load(again, "document")) == again


def _strict(data: bytes) -> dict[str, Any] | None:
    """The document, if there is one thing only that it can mean; by the means of the json module alone."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    def integer(digits: str) -> int:
        if len(digits) > 20:
            raise ValueError("too long")
        return int(digits)

    def finite(digits: str) -> float:
        if math.isinf(float(digits)):
            raise ValueError("too large")
        return float(digits)

    def no(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        value = json.loads(
            data.decode(), object_pairs_hook=once, parse_int=integer, parse_float=finite, parse_constant=no
        )
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _depth(value) <= 64 else None


def _depth(value: object) -> int:
    """Of what has no more than a thousand levels, which json.loads has seen to."""
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + max(map(_depth, inner), default=0)


@target(*_JSON, *_DESCRIPTOR)
def descriptor(data: bytes) -> None:
    found = malformed(Descriptor.parse, text(data))
    if found is not None:
        assert Descriptor.parse(str(found)) == found
        assert _DIGEST.fullmatch(str(found.digest))
        assert _TYPE.fullmatch(found.media_type)
        assert {key: value for key, value in json.loads(data).items() if value is not None and value != {}} == {
            key: value for key, value in json.loads(str(found)).items() if value != {}
        } or found.platform is not None  # whose empty variant is left out


@target(*_JSON, *_DESCRIPTOR, *_MANIFEST)
def manifest(data: bytes) -> None:
    found = malformed(Manifest.parse, data)
    if found is not None:
        made = Manifest.of(
            found.config,
            found.layers,
            annotations=found.annotations,
            subject=found.subject,
            artifact_type=found.artifact_type,
        )
        assert (made.config, made.layers, made.subject) == (found.config, found.layers, found.subject)
        assert (made.annotations, made.artifact_type) == (found.annotations, found.artifact_type)
        assert Descriptor.of(data, mediatype.MANIFEST) == found.descriptor
        assert malformed(Index.parse, data) is None, "it is an index too"


@target(*_JSON, *_DESCRIPTOR, *_MANIFEST)
def index(data: bytes) -> None:
    found = malformed(Index.parse, data)
    if found is not None:
        made = Index.of(found.manifests, annotations=found.annotations)
        assert (made.manifests, made.annotations) == (found.manifests, found.annotations)
        assert malformed(Manifest.parse, data) is None, "it is a manifest too"


@target(*_JSON, *_DESCRIPTOR, *_MANIFEST)
def node(data: bytes) -> None:
    kind = malformed(sniff, data)
    if kind is not None:
        found = malformed(parse_node, data, kind)
        assert found is None or found.media_type == kind
    for other in mediatype.MANIFESTS | mediatype.INDEXES:
        if other != kind and kind is not None and json.loads(data).get("mediaType") is not None:
            assert malformed(parse_node, data, other) is None, f"it is a {other} too"


@target(
    *_JSON,
    '"architecture":"amd64"',
    '"os":"linux"',
    '"rootfs":{"type":"layers","diff_ids":[',
    '"config":{',
    '"history":[{',
    '"empty_layer":true',
    '"Env":["A=b"]',
    '"Labels":{',
    '"ExposedPorts":{',
    '"Volumes":{',
    '"Cmd":[',
    '"variant":',
    "sha256:" + "0" * 64,
)
def config(data: bytes) -> None:
    found = malformed(Config.parse, data)
    if found is None:
        return
    new = Digest.of(b"new")
    execution = Execution(env={"A": "1"}, ports=("80/tcp",), volumes=("/v",), labels={"a": "b"}, args=("x",))
    made = malformed(Config.of, found.platform, [new], base=found, execution=execution)
    if made is not None:
        assert made.diff_ids == (*found.diff_ids, new)
        assert str(made.platform) == str(found.platform)
        assert all(key in made.value for key, value in found.value.items() if value is not None)
        # readers match layers with what is told of them by their order
        assert sum(not entry.get("empty_layer") for entry in made.value["history"]) >= len(made.diff_ids)
        assert Config.parse(made.raw) == made
    assert made is not None or b"\\ud" in data, "it cannot be built upon"
