"""JSON documents: read strictly, written in one way. image-spec 1.1, canonicalization.md; RFC 8259.

A document that two readers could understand differently is refused: double keys, NaN, lone surrogates, numbers
without bound, nesting without end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Set
from typing import Any, NoReturn

from plumbing.errors import Malformed, shown
from plumbing.oci import digest
from plumbing.oci.digest import Digest

LIMIT = 4 * 1024 * 1024
"""Bytes of a manifest, index or config that every reader takes. distribution-spec 1.1, "Pushing Manifests"."""

_SPREAD = 16
"""Bytes of the limit for each object, array or key that a document may have. Written in two to five bytes, one takes 40
times as much in memory; real ones have one in 15 to 40 bytes, and stay far below the limit."""

_DEPTH = 64
_DIGITS = 20


def load(raw: bytes, what: str, *, limit: int = LIMIT) -> dict[str, Any]:
    """The JSON object that `raw` holds, as plain dicts, lists, str, int, float, bool, None.

    what   the document's kind, for the message: "manifest"
    limit  the most bytes that are read at all
    raises Malformed for what is no JSON object, is too big or too deep, has too much in it, or has a key twice
    """
    if len(raw) > limit:
        raise Malformed(what, f"{len(raw)} bytes", expected=f"at most {limit}")
    brackets = raw.count(b"{") + raw.count(b"[")
    if brackets + raw.count(b":") > limit // _SPREAD:  # those within strings, too, which costs nobody anything
        raise Malformed(what, _start(raw), expected=f"at most {limit // _SPREAD} objects, arrays and keys")
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        # each level has a bracket of its own, and a surrogate that is not half of a pair can only be written as \u
        if b"\\u" in raw or brackets > _DEPTH:
            _check(value)
    except RecursionError:
        raise Malformed(what, _start(raw), expected=f"at most {_DEPTH} levels") from None
    except UnicodeDecodeError:
        raise Malformed(what, _start(raw), expected="UTF-8") from None
    except ValueError as error:
        raise Malformed(what, _start(raw), expected=f"JSON ({error})") from None
    if not isinstance(value, dict):
        raise Malformed(what, _start(raw), expected="a JSON object")
    return value


def dump(value: Mapping[str, Any]) -> bytes:
    """The bytes of a new document: UTF-8, no white space, keys as they come, nothing null left in by its maker.

    Raises Malformed for text that UTF-8 cannot hold: what was no UTF-8 on the command line comes as lone surrogates.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Malformed("text", text[max(0, error.start - 20) : error.end], expected="UTF-8") from None


class Fields:
    """A JSON object with its place in the document, read field by field; a null counts as absent."""

    __slots__ = ("_what", "value", "where")

    def __init__(self, value: object, what: str, where: str = "") -> None:
        if not isinstance(value, dict):
            raise Malformed(what, value, expected="an object", where=where)
        self.value: dict[str, Any] = value
        self._what = what
        self.where = where

    def at(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def has(self, key: str) -> bool:
        return self.value.get(key) is not None

    def wrong(self, key: str, expected: str) -> NoReturn:
        raise Malformed(self._what, self.value.get(key), expected=expected, where=self.at(key))

    def text(self, key: str) -> str:
        value = self.value.get(key)
        if not isinstance(value, str):
            self.wrong(key, "a string")
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if self.has(key) else None

    def size(self, key: str) -> int:
        """A count of bytes: an integer, not a bool, from 0 to 2^63 - 1. image-spec 1.1, descriptor.md "size"."""
        value = self.value.get(key)
        if type(value) is not int or not 0 <= value < 1 << 63:
            self.wrong(key, "an integer from 0 to 2^63-1")
        return value

    def digest(self, key: str) -> Digest:
        return self._digest(self.text(key), key)

    def digests(self, key: str) -> tuple[Digest, ...]:
        """The digests of an array; none where it is absent or null."""
        return tuple(self._digest(text, key, f"[{place}]") for place, text in enumerate(self.texts(key)))

    def object(self, key: str) -> Fields:
        return Fields(self.value.get(key), self._what, self.at(key))

    def array(self, key: str) -> list[Any]:
        """Empty where it is absent or null."""
        value = self.value.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(key, "an array")
        return value

    def objects(self, key: str) -> Iterator[Fields]:
        """Each object of an array; none where the array is absent or null."""
        where = self.at(key)
        for position, item in enumerate(self.array(key)):
            yield Fields(item, self._what, f"{where}[{position}]")

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of an array; none where it is absent or null."""
        array = self.array(key)
        if not all(isinstance(item, str) for item in array):
            self.wrong(key, "an array of strings")
        return tuple(array)

    def text_map(self, key: str) -> dict[str, str]:
        """An object of strings; empty where it is absent or null."""
        value = self.value.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong(key, "an object of strings")
        for item in value.values():
            if not isinstance(item, str):
                self.wrong(key, "an object of strings")
        return dict(value)

    def rest(self, known: Set[str]) -> dict[str, Any]:
        """What else is there, kept for whoever knows it."""
        if self.value.keys() <= known:
            return {}
        return {key: value for key, value in self.value.items() if key not in known and value is not None}

    def _digest(self, text: str, key: str, place: str = "") -> Digest:
        try:
            return Digest.parse(text)
        except Malformed:
            raise Malformed(self._what, text, expected=digest.FORM, where=f"{self.at(key)}{place}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{shown(double)}' twice")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"no number is {name}")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number out of range")
    return value


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("a number out of range")
    return int(text)


def _check(value: object) -> None:
    """Depth and text, without recursion. A lone surrogate has no UTF-8, so it could not be written back."""
    level: list[object] = [value]
    for _ in range(_DEPTH):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item)
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
            elif isinstance(item, str) and not item.isascii():
                item.encode("utf-8")
        if not inner:
            return
        level = inner
    raise RecursionError


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
)  # once: json.loads makes one a document


def _start(raw: bytes) -> str:
    return raw[:40].decode("utf-8", "replace")
