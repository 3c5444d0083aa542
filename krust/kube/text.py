"""Text: a file as characters, which is what YAML counts in, and back to the same bytes."""

from __future__ import annotations

import codecs
import json
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import Self

from krust.errors import KubeError

# YAML 1.2.2, 5.2: UTF-8 unless a byte order mark says otherwise. UTF-32 is left out: nobody has a file of it.
_ENCODINGS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """For messages. Line and column count from 1, the column in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """`file` is its name as the person wrote it; `mark` its byte order mark, which is not among `characters`."""

    file: str
    characters: str
    mark: bytes = b""
    encoding: str = "utf-8"
    _lines: list[int] = field(init=False, repr=False, compare=False, default_factory=list)
    """Where lines begin; made when the first place is asked for. One is cheap, and one for each of many is not."""

    @classmethod
    def decode(cls, raw: bytes, file: str) -> Self:
        """Line ends stay as they are. Raises KubeError for bytes that are no text."""
        mark, encoding = next(((mark, name) for mark, name in _ENCODINGS if raw.startswith(mark)), (b"", "utf-8"))
        body = raw[len(mark) :] if mark else raw
        try:
            characters = body.decode(encoding)
        except UnicodeDecodeError as error:
            before = cls(file=file, characters=body[: error.start].decode(encoding))
            place = before.place(len(before.characters))
            raise KubeError(f"cannot read '{place}': not {encoding.upper()}: {error.reason}") from error
        return cls(file=file, characters=characters, mark=mark, encoding=encoding)

    def encode(self) -> bytes:
        return self.mark + self.characters.encode(self.encoding)

    def saying(self, characters: str) -> Self:
        """The same file with other characters in it."""
        return replace(self, characters=characters)

    def place(self, index: int) -> Place:
        if not self._lines:
            self._lines.append(0)
            while (end := self.characters.find("\n", self._lines[-1])) >= 0:
                self._lines.append(end + 1)
        line = bisect_right(self._lines, index)
        return Place(file=self.file, line=line, column=index - self._lines[line - 1] + 1)

    @property
    def is_json(self) -> bool:
        """Whether it begins with a JSON object or array, and so can hold no comment."""
        characters = self.characters.lstrip()
        if not characters.startswith(("{", "[")):
            return False
        try:
            json.JSONDecoder().raw_decode(characters)
        except (ValueError, RecursionError):
            return False
        return True
