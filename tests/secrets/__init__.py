"""Secrets that tests plant, and the search for them in all that krust lets out.

A password, a token, whatever a test gives to krust to keep: it is made by `secret`. tests/secrets/watch.py listens to
every test, and fails the one in which such a value came out, plain or encoded.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator

MARK = "Qx7PlantedW3"
"""In every secret of the tests, and nowhere else."""

LONGEST = 256
"""Bytes that no encoding of the mark exceeds: the end of one piece that the search of the next begins with."""

_AROUND = 40


def secret(name: str) -> str:
    """A value that looks like a password, another for each `name`; the same in every process."""
    return f"{MARK}{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def leaks(data: bytes) -> list[str]:
    """Each place of `data` that has a secret, as a piece of text around it."""
    return [
        data[max(0, found.start() - _AROUND) : found.end() + _AROUND].decode(errors="replace")
        for found in _FORMS.finditer(data)
    ]


def _forms() -> Iterator[str]:
    """The mark as it is, in base64 at each of three places, in hexadecimal, and percent-encoded."""
    raw = MARK.encode()
    yield re.escape(MARK)
    for before in range(3):
        packed = b64encode(bytes(before) + raw).decode()
        # only the characters that no other byte has a share in
        yield re.escape(packed[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6])
    yield f"(?i:{raw.hex()})"
    yield "(?i:" + "".join(f"%{byte:02x}" for byte in raw) + ")"


_FORMS = re.compile("|".join(_forms()).encode())

__all__ = ["LONGEST", "MARK", "leaks", "secret"]
