"""Spool: texts that were read once and are wanted again, on disk: however many there are, memory holds one."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import BinaryIO

from krust.kube.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """Where in the spool the bytes of the text `file` are."""

    file: str
    start: int
    length: int


class Spool:
    """So no file can change between looking and writing, and standard input and URLs are like files."""

    def __init__(self) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (it goes with the spool)

    def put(self, text: Text) -> Spooled:
        start = self._file.seek(0, 2)
        return Spooled(file=text.file, start=start, length=self._file.write(text.encode()))

    def get(self, spooled: Spooled) -> Text:
        self._file.seek(spooled.start)
        return Text.decode(self._file.read(spooled.length), spooled.file)
