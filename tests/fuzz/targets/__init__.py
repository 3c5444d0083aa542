"""The targets, in a module for each part of krust."""

from __future__ import annotations

import importlib
import pkgutil

from tests.fuzz.target import TARGETS, Target


def load(name: str) -> Target:
    """The target `name`, with no module imported but its own."""
    importlib.import_module(f"{__name__}.{name.partition('.')[0]}")
    return TARGETS[name]


def names() -> list[str]:
    """All there are."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return sorted(TARGETS)
