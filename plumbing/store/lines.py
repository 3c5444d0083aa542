"""Lines: an index.json with a line for each entry, in which a name is found, and changed, without reading the rest.

It is JSON as any other. That a file is so is known from an attribute that only who wrote it sets: facts.LINES. A line
break is white space between entries then, for no JSON text holds one as it is. docs/decisions/0008-lines.md
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plumbing.errors import Malformed
from plumbing.oci import document

ANNOTATION = "org.opencontainers.image.ref.name"
_END = b"\n]"


class Unclear(Exception):
    """The lines do not tell: a name that others wrote twice, or elsewhere than in an entry of its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """An entry, and where its bytes are."""

    start: int
    end: int
    entry: dict[str, Any]


def dump(value: dict[str, Any], entries: Sequence[object]) -> bytes:
    """The index `value` with `entries` as its manifests, a line each."""
    fields = {key: document.dump(item) for key, item in value.items()}
    fields["manifests"] = b"[\n" + b",\n".join(document.dump(entry) for entry in entries) + _END  # type: ignore[arg-type]
    return b"{" + b",".join(document.dump(key) + b":" + raw for key, raw in fields.items()) + b"}"  # type: ignore[arg-type]


def find(raw: bytes, name: str) -> Place | None:
    """The entry of `name`; None if there is none. Raises Unclear."""
    # no text holds quotes as they are, so this is an annotation and nothing else; of what, is seen in its line
    annotation = f"{json.dumps(ANNOTATION)}:{json.dumps(name, ensure_ascii=False)}".encode("utf-8", "surrogatepass")
    at = raw.find(annotation)
    if at < 0:
        return None
    start = raw.rfind(b"\n", 0, at) + 1
    end = raw.find(b"\n", at)
    end -= raw[end - 1 : end] == b","
    if raw.find(annotation, at + 1) >= 0:
        raise Unclear
    try:
        entry = document.load(raw[start:end], "entry")
    except Malformed:
        raise Unclear from None
    if name_of(entry) != name:
        raise Unclear
    return Place(start, end, entry)


def splice(raw: bytes, changes: Sequence[tuple[Place | None, dict[str, Any]]]) -> bytes:
    """`raw` with each entry in its place, or at the end for none. Raises Unclear."""
    there = [(place, entry) for place, entry in changes if place is not None and place.entry != entry]
    for place, entry in sorted(there, key=lambda change: -change[0].start):  # the places before it stay as they are
        raw = raw[: place.start] + document.dump(entry) + raw[place.end :]
    new = [document.dump(entry) for place, entry in changes if place is None]
    if not new:
        return raw
    end = raw.rfind(_END)
    if raw[end - 1 : end] != b"}":
        raise Unclear  # there is none to append to
    return raw[:end] + b"".join(b",\n" + entry for entry in new) + raw[end:]


def name_of(entry: object) -> object:
    """What an entry of an index is called, if it is anything."""
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    return annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
