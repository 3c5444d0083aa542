"""Whether a text says what another one says, but for given values. What looks only at itself proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from krust.errors import KubeError
from krust.kube import events
from krust.kube.events import Span, token_start
from krust.kube.text import Text
from plumbing.errors import shown

_Read = tuple[str | None, str] | None
_SHORT = 500


def reads_as(token: str, *, flow: bool) -> _Read:
    """Style and value of a token of one line, alone in a sequence, within brackets or not; None if it is not one.

    Where it stands does not matter beyond that: what a scanner does in a token depends on the token, and on whether
    it is within brackets. YAML 1.2.2, 7.3.
    """
    return _remembered(token, flow) if len(token) < _SHORT else _reads_as(token, flow)


def _reads_as(token: str, flow: bool) -> _Read:
    alone = Text(file="", characters=f"[{token}]\n" if flow else f"- {token}\n")
    try:
        seen: list[Any] = list(events.events(alone, (0, len(alone.characters))))
    except KubeError:
        return None
    # Stream, document and sequence begin; one node; they end.
    if len(seen) != 7 or not hasattr(scalar := seen[3], "value") or scalar.tag is not None or scalar.anchor is not None:
        return None
    if scalar.end_mark.index - scalar.start_mark.index != len(token):
        return None
    return scalar.style or None, scalar.value


_remembered = lru_cache(maxsize=1024)(_reads_as)  # the same image in a thousand files is parsed once


def difference(old: Text, new: Text, values: Mapping[int, str]) -> str | None:
    """Where `new` does not say what `old` says, but for `values`; None if it does.

    values  by the start of their tokens in `old`: what these scalars say in `new`, in quotes or not
    """
    for one, other in zip_longest(events.parts(old.characters), events.parts(new.characters), fillvalue=(0, 0)):
        if old.characters[slice(*one)] == new.characters[slice(*other)]:
            continue  # the same characters say the same
        if what := difference_in(old, one, new, other, values):
            return what
    return None


def difference_in(old: Text, old_part: Span, new: Text, new_part: Span, values: Mapping[int, str]) -> str | None:
    """The same for a part of each."""
    try:
        for one, other in zip_longest(events.events(old, old_part), events.events(new, new_part)):
            start = token_start(old.characters, one, old_part) if hasattr(one, "value") else None
            expected = None if start is None else values.get(start)
            if said(one, expected) != said(other, expected and getattr(other, "value", None)):
                return f"{_named(one)} became {_named(other)}"
    except KubeError as error:
        return str(error)
    return None


def _named(event: Any) -> str:
    """For people: a scalar by its value, all else by what it is."""
    if isinstance(value := getattr(event, "value", None), str):
        return f"'{shown(value)}'"
    return "nothing" if event is None else type(event).__name__.removesuffix("Event").lower()


def said(event: Any, value: str | None = None) -> tuple[object, ...]:
    """All of an event but its places. A scalar with a `value` of its own says that, in whatever style.

    `implicit` is whether its type may be guessed from its value.
    """
    fields = ("anchor", "tag", "explicit", "version", "tags", "flow_style")
    said = (type(event), *(getattr(event, name, None) for name in fields))
    if value is not None:
        return *said, value
    return *said, *(getattr(event, name, None) for name in ("value", "style", "implicit"))
