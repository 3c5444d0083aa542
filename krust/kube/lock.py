"""Lock: which image each reference became, so that what was tested is what is applied."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from krust.kube.package import PREFIX
from plumbing.errors import Malformed
from plumbing.oci import document
from plumbing.oci.digest import Digest
from plumbing.oci.document import Fields
from plumbing.oci.platform import Platform

_WHAT = "lock file"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """An image, and what it was made of.

    directory  of the package, relative to that of the lock file
    binary     as the reference names it; None where it names none
    package    its name
    image      without its digest: `host/repository`, or a layout
    commit     with `-dirty` if the source differed from it; None where git knows nothing of the package
    """

    directory: str
    binary: str | None
    package: str
    image: str
    digest: Digest
    platforms: tuple[Platform, ...]
    commit: str | None

    @classmethod
    def from_json(cls, fields: Fields) -> Self:
        return cls(
            directory=fields.text("directory"),
            binary=fields.optional_text("binary"),
            package=fields.text("package"),
            image=fields.text("image"),
            digest=Digest.parse(fields.text("digest")),
            platforms=tuple(Platform.parse(text) for text in fields.texts("platforms")),
            commit=fields.optional_text("commit"),
        )

    def to_json(self) -> dict[str, object]:
        texts = {"digest": str(self.digest), "platforms": [str(platform) for platform in self.platforms]}
        return {name: value for name, value in (asdict(self) | texts).items() if value is not None}

    @property
    def reference(self) -> str:
        """To the image, by digest."""
        return f"{self.image}@{self.digest}"

    def path(self, folder: Path) -> Path:
        """The package's directory, if the lock file is in `folder`. It need not be there."""
        return Path(os.path.realpath(folder / self.directory))

    def __str__(self) -> str:
        return f"{PREFIX}{self.directory}" + (f"#{self.binary}" if self.binary is not None else "")


def parse(raw: bytes, file: str) -> list[Locked]:
    """What a lock file holds. Raises Malformed."""
    fields = Fields(document.load(raw, _WHAT), file)
    if fields.value.get("version") != _VERSION:
        raise Malformed(f"{_WHAT} of version", fields.value.get("version"), expected=str(_VERSION), where=file)
    return [Locked.from_json(each) for each in fields.objects("images")]


def written(images: list[Locked]) -> str:
    """The lock file's text, sorted, so that what stays the same stays where it is."""
    entries = [each.to_json() for each in sorted(images, key=str)]
    return json.dumps({"version": _VERSION, "images": entries}, indent=2, ensure_ascii=False) + "\n"
