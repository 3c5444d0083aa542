"""Every error. Raise a leaf; catch the leaf you can act on; only the outermost command catches the root.

PlumbingError
├── Malformed          text or bytes that are not what they should be
├── NotFound           no such blob, ref or name
├── Ambiguous          a name that means several things
├── DigestMismatch     bytes that do not hash to their name, or have another size
├── RefConflict        someone else moved the ref first
├── StoreError         the file system under a store said no, or what lies there is no store
├── SourceError        a file that was to go into a layer cannot be read
├── RegistryError      a registry said no, or something that cannot be: its host, status and codes
│   ├── Unauthorized   it wants a credential, or another one
│   ├── Missing        it has no such repository, tag, manifest or blob; a NotFound too
│   └── Unreachable    no whole answer: refused, reset, silent, or not who it should be
└── KrustError         the porcelain's own: see krust/errors.py

Messages are for people: lower case, the fault first, the subject in single quotes, what to do last. This module is
below oci/, so subjects come as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_SHOWN = 120


class PlumbingError(Exception):
    """The root. `str()` is the whole message, one line for each fault, without the program's name.

    Whatever subject it quotes, a path or what a stranger wrote, it has no more lines, and no control characters.

    exit_code  what a command that fails so ends with
    """

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(map(printable, lines)))


class Malformed(PlumbingError):
    """`text` is not a `what`. `where` names the place in a document, such as 'manifests[2].digest'."""

    def __init__(self, what: str, text: object, *, expected: str | None = None, where: str | None = None) -> None:
        message = f"malformed {what} '{shown(text)}'"
        if where:
            message += f" in '{where}'"  # whole, for it may be a file
        if expected:
            message += f": expected {expected}"
        super().__init__(message)


class NotFound(PlumbingError):
    """`name` means nothing in `store`. Made by one of the three ways below, so that each has its next step."""

    @classmethod
    def blob(cls, digest: object, store: Path) -> NotFound:
        return cls(f"cannot read '{digest}': no such blob in '{store}'")

    @classmethod
    def ref(cls, name: str, store: Path) -> NotFound:
        return cls(f"cannot find ref '{name}' in '{store}'; 'krust ls-refs' lists the refs that are there")

    @classmethod
    def name(cls, name: str, store: Path) -> NotFound:
        what = "no ref, digest or layout of that name"
        return cls(f"cannot find '{shown(name)}': {what} in '{store}'; 'krust ls-refs' lists the refs")


class Ambiguous(PlumbingError):
    """`name` stands for each of `candidates`."""

    def __init__(self, name: str, candidates: Iterable[object], *, then: str = "write more of it") -> None:
        self.candidates = [str(candidate) for candidate in candidates]
        super().__init__(f"ambiguous name '{shown(name)}': it may be {', '.join(self.candidates)}; {then}")


class DigestMismatch(PlumbingError):
    """What was read as `expected` is something else. `found` is a digest or a size in bytes."""

    def __init__(self, expected: object, found: object, *, where: object) -> None:
        super().__init__(
            f"corrupt blob '{expected}' in '{where}': found {found}; delete it and write or fetch it again"
        )


class RefConflict(PlumbingError):
    """The ref is not what the caller took it to be."""

    def __init__(self, name: str, *, expected: object, found: object) -> None:
        said = f"expected {expected or 'no such ref'}, found {found or 'no such ref'}"
        super().__init__(f"cannot update ref '{name}': {said}; look at it again with 'krust ls-refs'")


class StoreError(PlumbingError):
    """A store that is missing, unreadable, read-only, full, or not a store."""


class SourceError(PlumbingError):
    """A file for a layer is missing, unreadable, of a kind that no layer holds, or changes while it is read."""


class RegistryError(PlumbingError):
    """`host` said no, or what cannot be. `status` is None without an answer; `codes` are those of its body."""

    def __init__(self, message: str, *, host: str, status: int | None = None, codes: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.host = host
        self.status = status
        self.codes = tuple(codes)


class Unauthorized(RegistryError):
    """A credential is missing, or was refused."""


class Missing(RegistryError, NotFound):
    """The registry has no such repository, tag, manifest or blob."""


class Unreachable(RegistryError):
    """The registry gave no whole answer, however often it was asked, or its certificate is not trusted."""


def shown(text: object) -> str:
    """Text from outside, fit for one line of a message: control characters escaped, cut where it is long."""
    line = printable(str(text)[: _SHOWN + 1])
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"


def printable(text: str) -> str:
    """`text` fit for a terminal, and for a line: what could be a control character, or is not UTF-8, escaped."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def system_words(error: OSError) -> str:
    """What the system says of it, in lower case, as messages are."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
