"""Editing in place: each image keeps its reference in a comment at the end of its line, and is found by it again.

    image: ghcr.io/me/app@sha256:…  # the web server # krust://examples/web

The comment of a block scalar stands after its header, `|` or `>`. Where a line has several images it has as many such
comments, in their order. A comment that is there already stays in front.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

from krust.errors import KubeError
from krust.kube import events, same
from krust.kube.events import Span, line_end
from krust.kube.find import Occurrence, find_in, inside
from krust.kube.package import PREFIX
from krust.kube.splice import Image, edited, refusal, replacements, value_of
from krust.kube.text import Text

_KEPT = re.compile(rf"[ \t]+# (?P<reference>{re.escape(PREFIX)}\S+)(?![^ \t\r\n])")
_COMMENT = re.compile(r"[ \t]#")
_BY_DIGEST = re.compile(r"[A-Za-z0-9._:/\[\]-]+@sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})(?![0-9A-Za-z])")
_HEADER = re.compile(r"[|>][0-9+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A reference, or an image with its reference in the comment: `occurrence.reference` is it in both cases.

    comment  where in the text the comment has the reference; empty, at the line's end, where there is none yet
    """

    occurrence: Occurrence
    comment: Span


def find_kept(text: Text, *, substrings: bool = False) -> list[Kept]:
    """Each reference that `find_in` finds, and each image whose line ends in a comment with its reference.

    raises  KubeError where `find_in` does; where there is no room for a comment: in JSON, within a scalar of several
            lines, for a path with spaces; and where it cannot be told which image a comment belongs to
    """
    return [kept for part in events.parts(text.characters) for kept in find_kept_in(text, part, substrings=substrings)]


def find_kept_in(text: Text, part: Span, *, substrings: bool) -> list[Kept]:
    """Those in one of `events.parts`, as `find_kept`: a fault in one says nothing of the others."""
    found = list(find_in(text, part, substrings=substrings))
    if found and text.is_json:
        raise refusal(text, found[0], "JSON has no comments to keep it in; write YAML, or resolve without -i")
    if not found and text.characters.find(PREFIX, *part) < 0:
        return []
    return list(_in_part(text, part, found))


def splice_kept(text: Text, kept: list[Kept], images: Mapping[str, str]) -> Text:
    """`text` with each of `kept` replaced by the image of its reference, and the reference in the comment.

    The same images again give the same text. Raises KubeError, with nothing written, where the result would not say
    the same but for the images, or would not be found again.
    """
    pairs: list[Image] = [(each.occurrence, images[each.occurrence.reference]) for each in kept]
    edits = replacements(text, pairs)
    for each in kept:
        is_new = each.comment[0] == each.comment[1]
        edits.append((each.comment, f"{' # ' if is_new else ''}{each.occurrence.reference}"))
    # Of two that are put in at one place the first stays first: sorted is stable, and the spans alone are compared.
    result = text.saying(edited(text.characters, sorted(edits, key=lambda edit: edit[0])))

    by_scalar = groupby(pairs, key=lambda pair: pair[0].scalar)
    values = {scalar.start: value_of(scalar, group) for scalar, group in by_scalar}
    if kept and (what := same.difference(text, result, values)):
        raise refusal(text, kept[0].occurrence, f"the comment would change what the file says: {what}")
    again = [(result.characters[each.occurrence.start : each.occurrence.end], each) for each in find_kept(result)]
    for (occurrence, image), (now, then) in zip(pairs, again, strict=False):
        if (now, then.occurrence.reference) != (image, occurrence.reference):
            raise refusal(text, occurrence, "its image could not be told from the text around it; write it on its own")
    if len(again) != len(pairs):
        raise refusal(text, kept[0].occurrence, "it would not be found again; write it on a line of its own")
    return result


def _in_part(text: Text, part: Span, found: list[Occurrence]) -> Iterator[Kept]:
    layout = _Layout.of(text, part)
    references = {each.scalar.start for each in found}
    images = [
        image
        for scalar in events.scalars(text, part, _BY_DIGEST.search)
        if scalar.start not in references
        for image in inside(text, scalar, _BY_DIGEST) or ()
    ]
    slots = sorted((*found, *images), key=lambda each: each.start)
    for end, group in groupby(_with_line_ends(text, slots), key=itemgetter(0)):
        yield from _on_line(text, layout, end, [each for _, each in group], references)


def _with_line_ends(text: Text, slots: Sequence[Occurrence]) -> Iterator[tuple[int, Occurrence]]:
    """Each with the end of the line that its comment belongs to: where the token ends, or the header of a block.

    A line is searched for its end once, whatever number of images it has.
    """
    start, end = 0, -1
    for each in slots:
        header = _HEADER.match(text.characters, each.scalar.start) if each.scalar.is_block else None
        last = header.end() if header else each.scalar.end
        if not start <= last <= end:
            start, end = last, line_end(text.characters, last)
        yield end, each


def _on_line(text: Text, layout: _Layout, end: int, slots: list[Occurrence], references: set[int]) -> Iterator[Kept]:
    """Those of the line that ends at `end`; `references` are those of `slots` that are no images yet."""
    wanted = [each for each in slots if each.scalar.start in references]
    comments = layout.comments(text, end)
    if not wanted and not comments:
        return
    if wanted and layout.covers(end):
        raise refusal(text, wanted[0], "its line ends within a string, where no comment can be; write it on its own")
    for each in wanted:
        if re.search(r"\s", each.reference):
            raise refusal(text, each, "a reference with spaces cannot be kept in a comment; name the package")
    if len(comments) == len(slots):
        for each, comment in zip(slots, comments, strict=True):
            reference = each.reference if each in wanted else comment["reference"]
            yield Kept(occurrence=replace(each, reference=reference), comment=comment.span("reference"))
    elif comments or len(wanted) != len(slots):
        raise KubeError(
            f"cannot tell which image of '{text.place(slots[0].start)}' a comment with '{PREFIX}' belongs to: "
            f"{len(slots)} images and {len(comments)} comments; write each on a line of its own"
        )
    else:
        place = layout.last(end)
        place += len(text.characters[place:end].rstrip(" \t"))
        yield from (Kept(occurrence=each, comment=(place, place)) for each in wanted)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the tokens of a part end, in order; and the scalars of several lines that no comment can be in."""

    ends: list[int]
    long: list[Span]

    @classmethod
    def of(cls, text: Text, part: Span) -> _Layout:
        ends, long = [], []
        for event in events.events(text, part):
            start, end = event.start_mark.index + part[0], event.end_mark.index + part[0]
            if getattr(event, "style", None) in ("|", ">"):
                header = _HEADER.match(text.characters, events.token_start(text.characters, event, part))
                end = header.end() if header else end
            elif events.LINE_END.search(text.characters, start, end):
                long.append((start, end))
            if end > start:
                ends.append(end)
        return cls(sorted(ends), long)

    def covers(self, index: int) -> bool:
        return any(start < index < end for start, end in self.long)

    def last(self, end: int) -> int:
        """Where the last token ends of the line that ends at `end`."""
        return self.ends[bisect_right(self.ends, end) - 1]

    def comments(self, text: Text, end: int) -> list[re.Match[str]]:
        """The references that are kept at the end of that line."""
        comment = None if self.covers(end) else _COMMENT.search(text.characters, self.last(end), end)
        return list(_KEPT.finditer(text.characters, comment.start(), end)) if comment else []
