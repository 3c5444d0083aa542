"""Merge: which of the values that are said of one setting counts. A later layer wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from krust.config.layers import Layer, Said
from krust.config.origin import Origin

Named = dict[str, tuple[str | None, Origin]]
"""A table, each name with where its text comes from. None: it was said that there is none."""


def last(layers: Iterable[Layer], name: str) -> Said | None:
    """A text, a list or `files`: all of the last one, nothing of the others."""
    found = None
    for layer in layers:
        found = layer.get(name, found)
    return found


def by_name(layers: Iterable[Layer], name: str) -> tuple[Named, Origin | None]:
    """A table: for each name the last text, or None.

    Also where the whole was said to be `false`, if so: nothing from before it is in the table, nor should defaults be.
    """
    found: Named = {}
    cleared = None
    for layer in layers:
        if (said := layer.get(name)) is None:
            continue
        if said.raw is None:
            found, cleared = {}, said.origin
        elif isinstance(said.raw, Mapping):
            found |= {each: (text, said.origin) for each, text in said.raw.items()}
    return found, cleared
