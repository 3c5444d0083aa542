"""Problem: what the body of an error says. distribution-spec 1.1, "Error Codes"; RFC 6749, section 5.2."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

READ = 1024 * 1024
"""Bytes of an error's body that are read at most."""

SHOWN = 4096
"""Bytes of it that are shown at most."""

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_TAG = re.compile(r"<(style|script)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


@dataclass(frozen=True, slots=True)
class Problem:
    """`codes` are those of the specification, or the registry's own; `text` is one line, clean, maybe empty."""

    codes: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """From any bytes: JSON in one of the forms in use, else as text. Never raises."""
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            text = body[:SHOWN].decode(errors="replace")
            return cls(text=clean(_TAG.sub(" ", text) if text.lstrip().startswith("<") else text))
        entries = [entry for entry in _list(value.get("errors")) if isinstance(entry, dict)]
        codes = tuple(dict.fromkeys(code for entry in entries for code in _codes(entry)))
        texts = [text for entry in (*entries, value) for text in _texts(entry)]
        return cls(codes, clean(", ".join(dict.fromkeys(texts)))[:SHOWN])

    def has(self, *codes: str) -> bool:
        return not set(codes).isdisjoint(self.codes)

    def __str__(self) -> str:
        return ": ".join(part for part in (", ".join(self.codes), self.text) if part)


def clean(text: str) -> str:
    """Text from outside on one line, without terminal sequences and control characters."""
    text = _SEQUENCE.sub("", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _codes(entry: dict[str, Any]) -> Iterator[str]:
    code = entry.get("code")
    if isinstance(code, str) and _CODE.fullmatch(code.upper()):
        yield code.upper()


def _texts(entry: dict[str, Any]) -> Iterator[str]:
    for key in ("message", "error_description", "error", "details", "title"):
        text = entry.get(key)
        if isinstance(text, str) and text:
            yield text
