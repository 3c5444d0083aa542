"""Origin: where a value stands, so that an error and `krust config` can say so."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from krust.errors import SettingError
from plumbing.errors import Malformed, shown

_BARE = r"[A-Za-z0-9_-]+"
_EXPECTED = ": expected "


class Rank(IntEnum):
    """The places that a value may stand in. Each wins over those before it."""

    DEFAULT = 0
    PERSON = 1
    WORKSPACE = 2
    PACKAGE = 3
    BINARY = 4
    ENVIRONMENT = 5
    FLAG = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One value's place.

    name     of a flag, of a variable, of a table in `file`, or words for a default
    path     the value's in `file`, from the file's root: package.metadata.krust.base
    literal  its braces are braces: it comes from a field that knows of no placeholders
    """

    rank: Rank
    name: str
    file: Path | None = None
    path: str = field(default="", compare=False)
    literal: bool = field(default=False, compare=False)

    def place(self, below: str = "") -> str:
        """For a message: in '/app/Cargo.toml' at 'package.metadata.krust.ports[1]'."""
        return f"in '{self.file}' at '{self.path}{below}'" if self.file else f"in '{self.name}'"

    def wrong(self, what: str, value: object, expected: str, below: str = "") -> SettingError:
        """What to say of a value, or of what lies `below` it, that is not what it should be."""
        return SettingError(f"malformed {what} '{_toml(value)}' {self.place(below)}{_EXPECTED}{expected}")

    def placed(self, error: Malformed, below: str = "") -> SettingError:
        """`error`, which knows no place, with this one."""
        fault, expected, form = str(error).rpartition(_EXPECTED)
        return SettingError(f"{fault or form} {self.place(below)}{expected if fault else ''}{form if fault else ''}")

    def __str__(self) -> str:
        if self.file is None:
            return self.name
        return f"{self.file} [{self.name}]" if self.name else str(self.file)


def below(name: str) -> str:
    """The end of the path to the entry `name` of a table: .name, or ."a.b" where it needs quotes."""
    return f".{shown(name)}" if re.fullmatch(_BARE, name) else f'."{shown(name)}"'


def _toml(value: object) -> str:
    """As it would stand in TOML, roughly: for a message."""
    return shown(str(value).lower() if isinstance(value, bool) else value)
