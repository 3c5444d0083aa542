"""What cargo says it made: lines of `--message-format=json`. The Cargo book, "External tools"."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from krust.errors import CargoError
from plumbing.errors import Malformed
from plumbing.oci.document import Fields

FORMAT = "--message-format=json-render-diagnostics"
"""Artifacts as JSON on stdout, and what people read, errors and warnings, on stderr as ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Files made of one target of one package. `executable` is None for what cannot be run.

    test  it is what tests the target, and no program: `--tests` and `--all-targets` make one of each binary
    """

    package_id: str
    name: str
    kinds: tuple[str, ...]
    files: tuple[Path, ...]
    executable: Path | None
    test: bool

    @classmethod
    def parse(cls, line: str) -> Self | None:
        """The artifact that `line` tells of, None for any other message; CargoError for one that is malformed."""
        try:
            message = json.loads(line)
            if not isinstance(message, dict) or message.get("reason") != "compiler-artifact":
                return None
            fields = Fields(message, "message of cargo")
            target = fields.object("target")
            executable = fields.optional_text("executable")
            return cls(
                package_id=fields.text("package_id"),
                name=target.text("name"),
                kinds=target.texts("kind"),
                files=tuple(map(Path, fields.texts("filenames"))),
                executable=None if executable is None else Path(executable),
                test=fields.object("profile").value.get("test") is True,
            )
        except (ValueError, RecursionError):
            return None
        except Malformed as error:
            raise CargoError(f"cannot understand cargo: {error}; update Rust, or tell krust's authors") from error


def is_message(line: str) -> bool:
    """Whether `line` is cargo's, not the words of a build script, which come through with -vv."""
    return line.startswith("{")
