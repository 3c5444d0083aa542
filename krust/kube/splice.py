"""Images in the place of references; every other byte stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from krust.errors import Faults, KubeError
from krust.kube import events, same
from krust.kube.events import Scalar, Span
from krust.kube.find import Occurrence
from krust.kube.text import Text
from plumbing.errors import PlumbingError, shown

Image = tuple[Occurrence, str]
"""A reference, and the image that takes its place: `host/repository@sha256:…`, or whatever needs no quotes."""

Edit = tuple[Span, str]

# What means itself in a quoted scalar of either kind, in a block, and on a line.
_IMAGE = re.compile(r"[\w.:/@+\[\]-]+", re.ASCII)


def splice(text: Text, images: Iterable[Image], *, without: Sequence[Span] = ()) -> Text:
    """`text` with each occurrence replaced by its image, in the style that it had.

    A plain scalar gets double quotes if the image needs them, as one with an IPv6 address does.

    images   in the order of the text; of one scalar all or none
    without  spans that are cut out, in order; occurrences in them are left out too
    raises   KubeError, or Faults, where the result would not say the same but for the images
    """
    images = [image for image in images if not any(start <= image[0].start < end for start, end in without)]
    edits = replacements(text, images)
    return text.saying(edited(text.characters, sorted([*edits, *((span, "") for span in without)])))


def replacements(text: Text, images: Sequence[Image]) -> list[Edit]:
    """The edits that put `images` in, each checked by parsing what comes of it. All refusals are raised at once."""
    found: list[Edit] = []
    hard: list[tuple[Scalar, str, list[Edit]]] = []
    refused: list[PlumbingError] = []
    for scalar, group in groupby(images, key=lambda image: image[0].scalar):
        try:
            edits, value = _edits(text, scalar, list(group))
            token = text.characters[scalar.start : scalar.end]
            if scalar.is_block or events.LINE_END.search(token):
                hard.append((scalar, value, edits))
            else:
                edits = _on_one_line(text, scalar, token, edits, value)
        except KubeError as error:
            refused.append(error)
        else:
            found += edits
    refused += _of_several_lines(text, hard)
    Faults.check(refused)
    return found


def edited(characters: str, edits: Iterable[Edit]) -> str:
    """`characters` with each span replaced. The edits are in order, and do not overlap."""
    pieces, at = [], 0
    for (start, end), new in edits:
        pieces += [characters[at:start], new]
        at = end
    return "".join([*pieces, characters[at:]])


def value_of(scalar: Scalar, images: Iterable[Image]) -> str:
    """What the scalar's value becomes."""
    return edited(scalar.value, [(occurrence.within, image) for occurrence, image in images])


def _edits(text: Text, scalar: Scalar, images: Sequence[Image]) -> tuple[list[Edit], str]:
    for occurrence, image in images:
        if not _IMAGE.fullmatch(image):
            raise refusal(text, occurrence, f"'{shown(image)}' is no image's name")
    return [((each.start, each.end), image) for each, image in images], value_of(scalar, images)


def _on_one_line(text: Text, scalar: Scalar, token: str, edits: list[Edit], value: str) -> list[Edit]:
    """Checked as a token alone: parsing each document once more would double the time that all of this takes."""
    if same.reads_as(token, flow=scalar.flow) != (scalar.style, scalar.value):
        raise _slip(text, scalar, "it is not where the parser says")
    moved = [((start - scalar.start, end - scalar.start), new) for (start, end), new in edits]
    if same.reads_as(edited(token, moved), flow=scalar.flow) == (scalar.style, value):
        return edits
    quoted = f'"{value}"'
    if scalar.style is None and same.reads_as(quoted, flow=scalar.flow) == ('"', value):
        return [((scalar.start, scalar.end), quoted)]
    raise _slip(text, scalar, "put it in double quotes")


def _of_several_lines(text: Text, hard: Sequence[tuple[Scalar, str, list[Edit]]]) -> Iterator[KubeError]:
    """What is wrong with these edits, checked in the documents that they stand in."""
    waiting = list(reversed(hard))
    for start, end in events.parts(text.characters) if hard else ():
        values: dict[int, str] = {}
        edits: list[Edit] = []
        while waiting and waiting[-1][0].start < end:
            scalar, value, of_scalar = waiting.pop()
            values[scalar.start] = value
            edits += [((one - start, other - start), new) for (one, other), new in of_scalar]
        if values:
            new = text.saying(edited(text.characters[start:end], edits))
            if what := same.difference_in(text, (start, end), new, (0, len(new.characters)), values):
                yield _slip(text, scalar, what)


def refusal(text: Text, occurrence: Occurrence, why: str) -> KubeError:
    return KubeError(f"cannot replace '{shown(occurrence.reference)}' in '{text.place(occurrence.start)}': {why}")


def _slip(text: Text, scalar: Scalar, why: str) -> KubeError:
    return KubeError(f"cannot replace the value in '{text.place(scalar.start)}': {why}")
