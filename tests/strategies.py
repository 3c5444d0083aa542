"""Hypothesis strategies for the values of plumbing/oci, and for JSON that is none of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from plumbing.oci import mediatype
from plumbing.oci.config import Config, Execution
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference

_MEDIA_TYPES = [
    *sorted(mediatype.MANIFESTS | mediatype.INDEXES | mediatype.CONFIGS | set(mediatype.LAYERS)),
    mediatype.EMPTY,
    "application/octet-stream",
    "application/vnd.example.thing.v1+json",
]


def digests(algorithms: tuple[str, ...] = ("sha256", "sha512")) -> SearchStrategy[Digest]:
    def of(algorithm: str) -> SearchStrategy[Digest]:
        length = {"sha256": 64, "sha512": 128}[algorithm]
        return st.integers(0, (1 << 4 * length) - 1).map(lambda number: Digest(algorithm, f"{number:0{length}x}"))

    return st.sampled_from(algorithms).flatmap(of)


def texts(max_size: int = 20) -> SearchStrategy[str]:
    """Whatever UTF-8 can hold."""
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=max_size)


def string_maps() -> SearchStrategy[dict[str, str]]:
    return st.dictionaries(texts(), texts(), max_size=3)


def jsons() -> SearchStrategy[Any]:
    """Any value that a strict document may hold, but null, which counts as absent."""
    numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.booleans() | numbers | texts()
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3), max_leaves=5
    )


def unknown_fields() -> SearchStrategy[dict[str, Any]]:
    """Fields that no specification has: `x-` keeps clear of those that one has."""
    return st.dictionaries(texts(8).map(lambda key: f"x-{key}"), jsons(), max_size=3)


def platforms(*, rest: bool = False) -> SearchStrategy[Platform]:
    """`rest`: also with fields that the text form does not show."""
    word = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,7}", fullmatch=True)
    features = st.fixed_dictionaries({}, optional={"os.version": texts(), "os.features": st.lists(texts(), max_size=2)})
    usual = st.sampled_from(["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "windows/amd64"])
    made = st.builds(
        Platform,
        os=word,
        architecture=word,
        variant=st.none() | word,
        rest=st.builds(dict.__or__, features, unknown_fields()) if rest else st.just({}),
    )
    return usual.map(Platform.parse) | made


def media_types() -> SearchStrategy[str]:
    name = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,30}", fullmatch=True)
    return st.sampled_from(_MEDIA_TYPES) | st.builds("{}/{}".format, name, name)


def descriptors(types: SearchStrategy[str] | None = None) -> SearchStrategy[Descriptor]:
    return st.builds(
        Descriptor,
        media_type=media_types() if types is None else types,
        digest=digests(),
        size=st.integers(0, (1 << 63) - 1),
        annotations=string_maps(),
        platform=st.none() | platforms(rest=True),
        artifact_type=st.none() | media_types(),
        rest=st.builds(dict.__or__, unknown_fields(), st.sampled_from([{}, {"urls": ["https://example.com/a"]}])),
    )


def tags() -> SearchStrategy[str]:
    return st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)


def references() -> SearchStrategy[Reference]:
    part = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)
    label = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,5}[A-Za-z0-9])?", fullmatch=True)
    name = st.builds("{}.{}".format, label, label) | st.just("localhost")
    address = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(lambda ip: f"[{ip}]")
    port = st.integers(1, 65535).map(lambda number: f":{number}")
    hosts = st.builds("{}{}".format, name | address, st.just("") | port) | st.builds("{}{}".format, label, port)
    return st.builds(
        Reference,
        registry=hosts | st.just("docker.io"),
        repository=st.lists(part, min_size=1, max_size=4).map("/".join),
        tag=st.none() | tags(),
        digest=st.none() | digests(),
    )


def manifests() -> SearchStrategy[Manifest]:
    return st.builds(
        Manifest.of,
        descriptors(st.just(mediatype.CONFIG)),
        st.lists(descriptors(st.just(mediatype.LAYER_GZIP)), max_size=3),
        annotations=string_maps(),
        subject=st.none() | descriptors(st.just(mediatype.MANIFEST)),
        artifact_type=st.none() | media_types(),
    )


def indexes() -> SearchStrategy[Index]:
    return st.builds(
        Index.of, st.lists(descriptors(st.just(mediatype.MANIFEST)), max_size=3), annotations=string_maps()
    )


def executions() -> SearchStrategy[Execution]:
    words = st.lists(texts(), max_size=3).map(tuple)
    return st.builds(
        Execution,
        user=st.none() | texts(),
        workdir=st.none() | texts(),
        entrypoint=st.none() | words,
        args=st.none() | words,
        env=st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), texts(), max_size=3),
        labels=string_maps(),
        ports=st.lists(st.integers(1, 65535).map(lambda port: f"{port}/tcp"), max_size=2).map(tuple),
        volumes=st.lists(texts(), max_size=2).map(tuple),
        stop_signal=st.none() | st.just("SIGTERM"),
    )


def configs() -> SearchStrategy[Config]:
    return st.builds(
        Config.of,
        platforms(rest=True),
        st.lists(digests(), max_size=3),
        execution=executions(),
        created=st.integers(0, 4102444800),
    )


def names_of_refs() -> SearchStrategy[str]:
    return st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,3})?:[a-z0-9]{1,5}", fullmatch=True)


def documents() -> SearchStrategy[bytes]:
    """The bytes of valid manifests, indexes, configs and descriptors."""
    return st.one_of(
        manifests().map(lambda manifest: manifest.raw),
        indexes().map(lambda index: index.raw),
        configs().map(lambda config: config.raw),
        descriptors().map(lambda descriptor: str(descriptor).encode()),
    )


@st.composite
def mutated(draw: st.DrawFn, valid: SearchStrategy[bytes]) -> bytes:
    """A valid document with a value replaced, a span cut out, a span doubled, or bytes put in."""
    raw = draw(valid)
    start, end = sorted((draw(st.integers(0, len(raw))), draw(st.integers(0, len(raw)))))
    scraps = [
        b"",
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"NaN",
        b"0" * 30,
        b"{",
        b"]",
        b"[[[[",
        b'"',
        b'"\\ud800"',
        b"\xff",
    ]
    middle = draw(st.sampled_from(scraps) | st.binary(max_size=8) | st.just(raw[start:end] * 2))
    return raw[:start] + middle + raw[end:]
