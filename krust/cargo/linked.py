"""Which package's build script had a shared library linked, as far as cargo tells. The Cargo book, "External tools".

What a source file asks for by `#[link]`, or rustflags by `-l`, cargo does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from krust.cargo.targets import Target
from plumbing.errors import Malformed
from plumbing.oci.document import Fields

_REASON = "build-script-executed"

_ENTRY = re.compile(r"(?:(?P<kind>[^=]*)=)?(?:[^:]*:)?(?P<name>[^:]+)")
"""KIND[:MODIFIERS]=NAME[:RENAME], of which all but NAME may be missing; a RENAME is what is linked."""

_ID = re.compile(r"(?P<name>\S+) (?P<version>\S+) \(.*\)")
"""A package ID as cargo had it before 1.77; since then it is a URL with #VERSION or #NAME@VERSION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildScript:
    """What one had linked: `libraries` by their names for the linker, without `lib` and `.so`."""

    package: str
    libraries: tuple[str, ...]

    @classmethod
    def parse(cls, line: str) -> Self | None:
        """The one that `line` of cargo's messages tells of; None for any other line, and for one of another form."""
        if _REASON not in line:
            return None
        try:
            message = json.loads(line)
            if not isinstance(message, dict) or message.get("reason") != _REASON:
                return None
            fields = Fields(message, "message of cargo")
            return cls(package=_spec(fields.text("package_id")), libraries=tuple(_names(fields.texts("linked_libs"))))
        except (ValueError, RecursionError, Malformed):
            return None

    def brought(self, library: str) -> bool:
        """Whether `library` is one of them, by the name that a program needs it by, such as libssl.so.3."""
        return any(library.startswith(f"lib{name}.so") for name in self.libraries)


def told(messages: Sequence[str], target: Target, needed: Sequence[str]) -> str | None:
    """For people: which packages brought the libraries that are `needed`, and how to see who needs those packages."""
    scripts = [script for line in messages if (script := BuildScript.parse(line))]
    found: dict[str, list[str]] = {}
    for script in scripts:
        if libraries := [library for library in needed if script.brought(library)]:
            found.setdefault(script.package, libraries)
    if not found:
        return None
    brought = "; ".join(f"{package} has {' and '.join(libraries)} linked" for package, libraries in found.items())
    return f"{brought}, and 'cargo tree --target {target} --invert {next(iter(found))}' shows who needs it"


def _names(entries: Sequence[str]) -> Iterator[str]:
    for entry in entries:
        found = _ENTRY.fullmatch(entry)
        if found and not (found["kind"] or "").startswith(("static", "framework")):
            yield found["name"]


def _spec(package_id: str) -> str:
    """NAME@VERSION, which names a package to cargo. The Cargo book, "Package ID Specifications"."""
    if old := _ID.fullmatch(package_id):
        return f"{old['name']}@{old['version']}"
    url, _, fragment = package_id.rpartition("#")
    if "@" in fragment:
        return fragment
    return f"{url.partition('?')[0].rstrip('/').rpartition('/')[2]}@{fragment}"
