"""The porcelain commands, one a file: what a person types, made of plumbing."""

from __future__ import annotations

from types import MappingProxyType

TABLE = MappingProxyType(
    {
        "build": ("build", "run", "image", "config", "doctor"),
        "kubernetes": ("resolve", "apply", "create", "replace", "delete"),
        "registries": ("login", "logout", "serve"),
    }
)
"""What there is, by what it is for."""

NAMES = tuple(name for names in TABLE.values() for name in names)
