from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.document import Fields
from tests.strategies import descriptors, mutated

HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
GOOD = {"mediaType": mediatype.LAYER_GZIP, "digest": HELLO, "size": 5}


@given(descriptors())
def test_a_descriptor_parses_back_from_its_text_and_from_its_json(descriptor: Descriptor) -> None:
    assert Descriptor.parse(str(descriptor)) == descriptor
    assert Descriptor.from_json(Fields(descriptor.to_json(), "descriptor")) == descriptor


def test_fields_that_krust_does_not_know_are_kept() -> None:
    value = {**GOOD, "urls": ["https://example.com/a"], "data": "aGVsbG8=", "x-unknown": {"deep": [1.5, False]}}
    assert Descriptor.parse(json.dumps(value)).to_json() == value


def test_a_descriptor_is_written_in_the_specifications_order_and_without_nulls() -> None:
    value = {"x": 1, "urls": None, "annotations": None, "artifactType": "a/b", **GOOD, "mediaType": "c/d"}
    written = f'{{"mediaType":"c/d","digest":"{HELLO}","size":5,"artifactType":"a/b","x":1}}'
    assert str(Descriptor.parse(json.dumps(value))) == written


@given(st.binary())
def test_a_descriptor_of_bytes(raw: bytes) -> None:
    descriptor = Descriptor.of(raw, mediatype.LAYER)
    assert (descriptor.size, descriptor.digest.hex) == (len(raw), hashlib.sha256(raw).hexdigest())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"digest": None}, "'None' in 'digest': expected a string"),
        ({"digest": 5}, "'5' in 'digest': expected a string"),
        ({"digest": "sha256:../x"}, "'sha256:../x' in 'digest': expected sha256: and 64"),
        ({"digest": HELLO.upper()}, "in 'digest': expected sha256: and 64"),
        ({"digest": HELLO + "\n"}, "in 'digest': expected sha256: and 64"),
        ({"mediaType": None}, "'None' in 'mediaType': expected a string"),
        ({"mediaType": "text"}, "'text' in 'mediaType': expected type/subtype"),
        ({"mediaType": "text/plain; charset=utf-8"}, "in 'mediaType': expected type/subtype"),
        ({"mediaType": "text/plain\n"}, "in 'mediaType': expected type/subtype"),
        ({"size": None}, "'None' in 'size': expected an integer from 0 to 2^63-1"),
        ({"size": -1}, "'-1' in 'size': expected an integer from 0 to 2^63-1"),
        ({"size": True}, "'True' in 'size': expected an integer from 0 to 2^63-1"),
        ({"size": 5.0}, "'5.0' in 'size': expected an integer from 0 to 2^63-1"),
        ({"size": "5"}, "'5' in 'size': expected an integer from 0 to 2^63-1"),
        ({"size": 1 << 63}, "in 'size': expected an integer from 0 to 2^63-1"),
        ({"annotations": {"a": 1}}, "in 'annotations': expected an object of strings"),
        ({"annotations": []}, "'[]' in 'annotations': expected an object of strings"),
        ({"platform": "linux/amd64"}, "'linux/amd64' in 'platform': expected an object"),
        ({"platform": {"os": "linux"}}, "'None' in 'platform.architecture': expected a string"),
        ({"artifactType": 1}, "'1' in 'artifactType': expected a string"),
        ({"data": 1}, "'1' in 'data': expected a string"),
        ({"data": "aGVsbG8"}, "'aGVsbG8' in 'data': expected base64"),
        ({"data": "héllo"}, "'héllo' in 'data': expected base64"),
        ({"data": "aGVsbG8=\n"}, "in 'data': expected base64"),
        ({"data": base64.b64encode(b"HELLO").decode()}, f"in 'data': expected the bytes of {HELLO}"),
        ({"data": ""}, f"'' in 'data': expected the bytes of {HELLO}"),
        ({"data": "aGVsbG8=", "size": 6}, f"in 'data': expected the bytes of {HELLO}"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_what_is_no_descriptor_is_refused_and_the_place_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(Malformed) as caught:
        Descriptor.parse(json.dumps({**GOOD, **change}))
    assert said in str(caught.value)
    assert str(caught.value).startswith("malformed ")


@pytest.mark.parametrize(("media_type", "size"), [("", 0), ("a/b\n", 0), ("a/b", -1), ("a/b", True), ("a/b", 1 << 63)])
def test_no_way_in_goes_round_the_check(media_type: str, size: int) -> None:
    with pytest.raises(Malformed):
        Descriptor(media_type=media_type, digest=Digest.parse(HELLO), size=size)


nearly = mutated(descriptors().map(lambda descriptor: str(descriptor).encode()))


@given(st.text() | nearly.map(lambda raw: raw.decode(errors="surrogateescape")))
def test_any_text_is_a_descriptor_or_malformed(text: str) -> None:
    try:
        descriptor = Descriptor.parse(text)
    except Malformed:
        return
    assert Descriptor.parse(str(descriptor)) == descriptor


@given(descriptors())
def test_equal_descriptors_have_equal_hashes(descriptor: Descriptor) -> None:
    assert hash(Descriptor.parse(str(descriptor))) == hash(descriptor)
