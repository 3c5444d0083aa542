"""What `-l` leaves out of a text: whole documents, and items of lists. What stays is untouched."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from krust.errors import KubeError
from krust.kube import events, same
from krust.kube.events import LINE_END, Span, line_end
from krust.kube.selector import Selector
from krust.kube.splice import edited
from krust.kube.text import Text
from krust.kube.tree import Node, documents

_Cut = tuple[Span, int]
"""What is cut out, and where the first event of it begins."""

_FIELDS = ("kind", "items", "metadata", "labels")


def left_out(text: Text, selector: Selector) -> list[Span]:
    """The spans to cut, in order, so that only objects whose labels match stay; `splice` takes them as `without`.

    An item of a `kind: List` (or any kind of that end) is an object; a list that keeps none goes as a whole, and so
    does an empty document. Comments in a document go with it, comments between items stay.

    raises  KubeError where the text is not YAML, or what stays needs an anchor of what goes
    """
    cuts = list(_of_documents(text, selector))
    if cuts:
        _check(text, cuts)
    return [span for span, _ in cuts]


def _of_documents(text: Text, selector: Selector) -> Iterator[_Cut]:
    kept_one = False
    names = {*_FIELDS, *(requirement.key for requirement in selector.requirements)}
    for part in events.parts(text.characters):
        found = list(documents(text, part, names))
        for index, document in enumerate(found):
            following = found[index + 1] if index + 1 < len(found) else None
            if _keeps(document.root, selector):
                kept_one = True
                yield from _of_items(text, document.root, selector)
                continue
            end = part[1] if following is None else following.start
            if kept_one and following is not None and following.has_directives and document.ends_explicitly:
                end = document.end - len("...")  # or the directives would stand in the document before
            yield (part[0] if index == 0 else document.start, end), document.start


def _keeps(node: Node, selector: Selector) -> bool:
    """Whether the object stays, or something of the list. A list in a list is no list for kubectl either."""
    items = _items(node)
    return any(_matches(each, selector) for each in ([node] if items is None else items.children))


def _matches(node: Node, selector: Selector) -> bool:
    if node.kind != "mapping":
        return False
    metadata = node.fields.get("metadata")
    labels = metadata.fields.get("labels") if metadata else None
    found = {name: value.value for name, value in labels.fields.items() if value.kind == "scalar"} if labels else {}
    return selector.matches(found)


def _items(node: Node) -> Node | None:
    """What is listed, if it is a list."""
    kind, items = node.fields.get("kind"), node.fields.get("items")
    if kind is None or items is None or not kind.value.endswith("List") or items.kind != "sequence":
        return None
    return items


def _of_items(text: Text, node: Node, selector: Selector) -> Iterator[_Cut]:
    """The spans of those items of a list that go, if it is one. At least one stays."""
    items = _items(node)
    if items is None:
        return
    stays = [_matches(item, selector) for item in items.children]
    last_kept = max(index for index, kept in enumerate(stays) if kept)
    for index, (start, end) in enumerate(items.where):
        if stays[index]:
            continue
        if not items.flow:
            yield _lines(text, start, end), start
        elif index < last_kept:
            yield (start, items.where[index + 1][0]), start
        else:
            yield (items.where[index - 1][1], end), start  # with the comma before it


def _lines(text: Text, start: int, end: int) -> Span:
    """The lines of an item of a block sequence, from that of its dash."""
    begin = text.characters.rfind("\n", 0, start) + 1
    while begin and not text.characters[begin:start].lstrip(" ").startswith("-"):
        begin = text.characters.rfind("\n", 0, begin - 1) + 1
    after = line_end(text.characters, end)
    line_break = LINE_END.match(text.characters, after)
    return begin, line_break.end() if line_break else after


def _check(text: Text, cuts: list[_Cut]) -> None:
    """Raise KubeError unless what is left says what it said before, object by object."""
    result = text.saying(edited(text.characters, [(span, "") for span, _ in cuts]))
    before, after = _said(text, {first for _, first in cuts}), _said(result, set())
    for one, other in zip_longest(before, after):
        if one != other:
            place = text.place(cuts[0][1])
            raise KubeError(f"cannot leave out what begins at '{place}': {one} would become {other}")


def _said(text: Text, without: set[int]) -> Iterator[tuple[object, ...]]:
    """What the events say, without the nodes and documents whose first event begins at one of `without`."""
    depth = 0
    lost: set[str] = set()
    for part in events.parts(text.characters):
        for event in events.events(text, part):
            name = type(event).__name__
            step = name.endswith("StartEvent") - name.endswith("EndEvent")
            anchor = getattr(event, "anchor", None)
            if name.startswith("Stream"):
                continue
            if depth or (step >= 0 and event.start_mark.index + part[0] in without):
                depth += step
                if anchor is not None and name != "AliasEvent":
                    lost.add(anchor)
                continue
            if name == "AliasEvent" and anchor in lost:
                place = text.place(event.start_mark.index + part[0])
                raise KubeError(
                    f"cannot leave out anchor '&{anchor}': '{place}' stays and needs it; write it out there"
                )
            elif anchor is not None:
                lost.discard(anchor)
            yield same.said(event)
