"""PackageReference: `krust://PATH[#BINARY]`, an image that is still to be built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from plumbing.errors import Malformed

PREFIX = "krust://"
_FORM = f"{PREFIX}PATH[#BINARY], on one line"
_PATH = re.compile(r"[^#\s](?:[^#\n\r\t]*[^#\s])?")
_BINARY = re.compile(r"[^#\s/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageReference:
    """`path` is a directory or a package's name, whichever there is; `binary` one of its binaries."""

    path: str
    binary: str | None = None

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path) or not self.path.isprintable():
            raise Malformed("reference", str(self), expected=_FORM)
        if self.binary is not None and not (_BINARY.fullmatch(self.binary) and self.binary.isprintable()):
            raise Malformed("reference", str(self), expected=_FORM)

    @classmethod
    def parse(cls, text: str, *, where: str | None = None) -> Self:
        """`where` is for the message: the file, line and column that it was read from."""
        try:
            if not text.startswith(PREFIX):
                raise Malformed("reference", text, expected=_FORM)
            path, hash_, binary = text.removeprefix(PREFIX).partition("#")
            return cls(path=path, binary=binary if hash_ else None)
        except Malformed as error:
            raise Malformed("reference", text, expected=_FORM, where=where) from error

    def __str__(self) -> str:
        return PREFIX + self.path + (f"#{self.binary}" if self.binary is not None else "")
