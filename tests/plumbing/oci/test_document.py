from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.oci import document
from plumbing.oci.document import Fields
from tests.strategies import documents, jsons, mutated, texts

objects = st.dictionaries(texts(), jsons() | st.none(), max_size=4)


@given(objects)
def test_what_is_dumped_is_loaded(value: dict[str, object]) -> None:
    raw = document.dump(value)
    assert document.load(raw, "document") == value == json.loads(raw)


def test_a_document_is_written_in_one_way() -> None:
    assert document.dump({"b": [1, "é"], "a": {}}) == '{"b":[1,"é"],"a":{}}'.encode()


def test_text_that_has_no_utf_8_is_not_written() -> None:
    """A word of the command line that is not UTF-8 comes as a lone surrogate."""
    with pytest.raises(Malformed, match=r"^malformed text '.*caf\\udce9': expected UTF-8$"):
        document.dump({"labels": {"place": "caf\udce9"}})


HOSTILE = {
    "nothing": b"",
    "white space": b" \n",
    "an array": b"[]",
    "a string": b'"a"',
    "null": b"null",
    "a key twice": b'{"a":1,"a":1}',
    "a key twice, once escaped": b'{"a":1,"\\u0061":2}',
    "a key twice, deep within": b'{"a":[{"b":{"c":1,"c":2}}]}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b'{"a":-Infinity}',
    "a float out of range": b'{"a":1e999}',
    "an integer out of range": b'{"a":' + b"1" * 21 + b"}",
    "an integer that takes long": b'{"a":' + b"9" * 1_000_000 + b"}",
    "a lone surrogate": b'{"a":"\\ud800"}',
    "a lone surrogate as a key": b'{"\\udfff":1}',
    "invalid UTF-8": b'{"a":"\xff"}',
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-32": '{"a":1}'.encode("utf-32"),
    "trailing data": b'{"a":1}{"b":2}',
    "a trailing zero byte": b'{"a":1}\0',
    "a trailing comma": b'{"a":1,}',
    "a comment": b'{"a":1}//',
    "single quotes": b"{'a':1}",
    "a control character in a string": b'{"a":"\n"}',
    "a leading zero": b'{"a":01}',
    "cut off": b'{"a":',
    "arrays too deep": b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    "objects too deep": b'{"a":' * 65 + b"1" + b"}" * 65,
    "a depth bomb": b'{"a":' + b"[" * 1_000_000,
    "a depth bomb that is closed": b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
    "a depth bomb of objects": b'{"a":' * 500_000,
    "one byte too many": b'{"a":"' + b"x" * (document.LIMIT - 7) + b'"}',
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_what_two_readers_may_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed, match=r"^malformed document '"):
        document.load(raw, "document")


DENSE = {
    "arrays in arrays": b"[" * 60 + b"]" * 60,
    "objects in objects": b'{"":' * 60 + b"0" + b"}" * 60,
    "arrays": b"[]",
    "objects": b'{"":0}',
}


@pytest.mark.parametrize("each", DENSE.values(), ids=DENSE)
def test_a_document_takes_no_more_than_20_times_its_limit(each: bytes) -> None:
    """As long a page as a registry may send."""
    size = 8 << 20
    raw = b'{"a":[' + b",".join([each] * (size // (len(each) + 1) - 2)) + b"]}"
    tracemalloc.start()
    try:
        with suppress(Malformed):
            document.load(raw, "document", limit=size)
        assert tracemalloc.get_traced_memory()[1] < 20 * size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":' + b"[" * 62 + b"]" * 62 + b"}",
        b'{"a":"' + b"x" * (document.LIMIT - 8) + b'"}',
        b'{"a":[' + b"{}," * (document.LIMIT // 16 - 4) + b"{}]}",
        b'{"a":18446744073709551615}',
        b'{"a":1e308}',
        b'{"a":"\\ud83d\\ude00"}',
        b' {"a" : null }\n',
    ],
    ids=["depth", "size", "objects", "integer", "float", "a pair of surrogates", "white space"],
)
def test_what_is_just_within_the_limits_is_taken(raw: bytes) -> None:
    assert list(document.load(raw, "document")) == ["a"]


@given(st.binary() | mutated(documents()) | st.text('{}[]":,0eE+-.\\u" ntf').map(str.encode))
def test_any_bytes_are_a_document_or_malformed(raw: bytes) -> None:
    try:
        value = document.load(raw, "document")
    except Malformed:
        return
    assert json.loads(raw) == value


def test_a_message_names_the_place() -> None:
    fields = Fields({"layers": [{}, {"size": -1}]}, "manifest")
    with pytest.raises(Malformed, match=r"^malformed manifest '-1' in 'layers\[1\]\.size': expected an integer from 0"):
        list(fields.objects("layers"))[1].size("size")


WRONG: dict[str, list[object]] = {
    "text": [None, 1, []],
    "optional_text": [False, 0],
    "size": [None, True, 1.0, -1, 1 << 63, "1"],
    "digest": [None, 1, "sha256:"],
    "digests": ["a", [1], ["sha256:"]],
    "object": [None, []],
    "objects": [{}, [1], [None]],
    "texts": ["a", ["a", None]],
    "text_map": [[], {"a": None}, {"a": 1}],
}


@pytest.mark.parametrize(("method", "value"), [(method, value) for method, values in WRONG.items() for value in values])
def test_a_field_of_another_kind_is_refused(method: str, value: object) -> None:
    with pytest.raises(Malformed, match="'field"):
        list(getattr(Fields({"field": value}, "document"), method)("field"))


def test_null_counts_as_absent() -> None:
    fields = Fields({"field": None}, "document")
    assert not fields.has("field")
    assert (fields.optional_text("field"), fields.texts("field"), fields.text_map("field")) == (None, (), {})
    assert list(fields.objects("field")) == []
    assert fields.rest(frozenset()) == {}


def test_a_double_key_is_shown_in_part() -> None:
    key = "a\x1b" * 1000
    with pytest.raises(Malformed) as caught:
        document.load(json.dumps({key: 1})[:-1].encode() + b"," + json.dumps({key: 1})[1:].encode(), "document")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
