"""Platform: what an image runs on. image-spec 1.1, image-index.md, "platform"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from plumbing.errors import Malformed
from plumbing.oci.document import Fields

_FORM = "os/architecture[/variant]"
_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_KNOWN = frozenset({"architecture", "os", "variant"})
_IMPLIED = {("arm64", "v8"): None, ("amd64", "v1"): None, ("arm", None): "v7"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Words as Go has them: linux/amd64, linux/arm/v7. `rest` holds further JSON fields, such as os.version."""

    os: str
    architecture: str
    variant: str | None = None
    rest: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        parts = (self.os, self.architecture, *([] if self.variant is None else [self.variant]))
        if not all(re.fullmatch(_PART, part) for part in parts):
            raise Malformed("platform", "/".join(parts), expected=_FORM)

    @classmethod
    def parse(cls, text: str) -> Self:
        match text.split("/"):
            case [os, architecture]:
                return cls(os=os, architecture=architecture)
            case [os, architecture, variant]:
                return cls(os=os, architecture=architecture, variant=variant)
        raise Malformed("platform", text, expected=_FORM)

    @classmethod
    def from_json(cls, fields: Fields) -> Self:
        return cls(
            os=fields.text("os"),
            architecture=fields.text("architecture"),
            variant=fields.optional_text("variant") or None,  # docker writes ""
            rest=fields.rest(_KNOWN),
        )

    def to_json(self) -> dict[str, Any]:
        variant = {} if self.variant is None else {"variant": self.variant}
        return {"architecture": self.architecture, "os": self.os, **variant, **self.rest}

    def runs(self, image: Platform) -> bool:
        """Whether this platform is the one that `image` is for. arm64 is arm64/v8, and arm is arm/v7, as for Go."""
        return self._plain() == image._plain()

    def _plain(self) -> Platform:
        variant = _IMPLIED.get((self.architecture, self.variant), self.variant)
        return replace(self, variant=variant, rest={})

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part is not None)
