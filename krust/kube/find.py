"""Where the references to packages stand in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from krust.errors import KubeError
from krust.kube import events
from krust.kube.events import Scalar, Span, line_end
from krust.kube.package import PREFIX
from krust.kube.text import Text

# A reference in a longer string ends before what no path and no binary has in it, or at a sentence's end.
_RUN = re.compile(re.escape(PREFIX) + r"[\w./~+@%=-]*(?:#[\w.-]+)?(?<!\w\.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A reference, as it was written, and what an image is put in place of.

    start, end  characters of the text
    within      characters of the scalar's value, from and to
    """

    reference: str
    scalar: Scalar
    start: int
    end: int
    within: Span


def may_hold(text: Text, part: Span) -> bool:
    """False only where no value has `krust://` in it. Escapes of double-quoted scalars may hide one."""
    holds = text.characters.find
    return holds(PREFIX, *part) >= 0 or (holds('"', *part) >= 0 and holds("\\", *part) >= 0)


def find_in(text: Text, part: Span, *, substrings: bool) -> Iterator[Occurrence]:
    """Each value that begins with `krust://`, in the order of the text; keys and comments are none.

    part        one of `events.parts`: a fault in one says nothing of the others
    substrings  also each `krust://…` inside a longer value
    raises      KubeError where it is not YAML, or a reference is written in escapes that cannot be told apart
    """
    if not may_hold(text, part):
        events.check(text, part)
    elif substrings:
        for scalar in events.scalars(text, part, lambda value: PREFIX in value):
            if (found := inside(text, scalar, _RUN)) is not None:
                yield from found
            elif _RUN.fullmatch(scalar.value):
                yield whole(text, scalar)
            else:
                what = f"cannot replace '{PREFIX}' in '{text.place(scalar.start)}'"
                raise KubeError(f"{what}: it is written in escapes of a longer string; write it without")
    else:
        for scalar in events.scalars(text, part, lambda value: value.startswith(PREFIX)):
            yield whole(text, scalar)


def whole(text: Text, scalar: Scalar) -> Occurrence:
    """All of the scalar, without the white space at its end; a block scalar keeps that."""
    reference = scalar.value.rstrip()
    start, end, length = scalar.start, scalar.end, len(scalar.value)
    if scalar.is_block:
        start = text.characters.index(PREFIX, _content(text, scalar)[0])
        end = start + len(text.characters[start:end].rstrip())
        length = len(reference)
    elif scalar.style:
        start, end = start + 1, end - 1
    return Occurrence(reference=reference, scalar=scalar, start=start, end=end, within=(0, length))


def inside(text: Text, scalar: Scalar, pattern: re.Pattern[str]) -> list[Occurrence] | None:
    """Each match of `pattern` in the scalar; None where escapes or folds hide from the text what the value has."""
    in_value = list(pattern.finditer(scalar.value))
    in_text = list(pattern.finditer(text.characters, *_content(text, scalar)))
    if [each[0] for each in in_value] != [each[0] for each in in_text]:
        return None
    return [
        Occurrence(reference=value[0], scalar=scalar, start=found.start(), end=found.end(), within=value.span())
        for value, found in zip(in_value, in_text, strict=True)
    ]


def _content(text: Text, scalar: Scalar) -> Span:
    """The scalar's token without its quotes, or without the header of a block."""
    if scalar.is_block:
        return line_end(text.characters, scalar.start), scalar.end
    quotes = 1 if scalar.style else 0
    return scalar.start + quotes, scalar.end - quotes
