"""A part's documents as trees, with the places of their nodes: for what has to know where a label stands.

An alias is the node that it names, and an anchor may be given anew, as YAML 1.2.2, 3.2.2.2 has it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from krust.errors import KubeError
from krust.kube import events
from krust.kube.events import Span
from krust.kube.text import Text

Kind = Literal["scalar", "sequence", "mapping"]


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """`start` is where its tag, its anchor or it begins; `end` where its last character ends.

    children  of a sequence its items, of a mapping its keys and values in turn; an alias is the node that it names
    where     the start and end of each child as it stands there, so those of the alias
    fields    of a mapping the values by those keys that were asked for, with what '<<' merges in; of two equal keys
              the last
    merges    what '<<' gives to a mapping: the fields, or of a sequence those of its items
    """

    kind: Kind
    start: int
    end: int
    value: str = ""
    flow: bool = False
    children: list[Node] = field(default_factory=list)
    where: list[Span] = field(default_factory=list)
    fields: dict[str, Node] = field(default_factory=dict)
    merges: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`start` is that of its directives or '---', of its root if it has neither; `end` is after its '...'."""

    root: Node
    start: int
    end: int
    ends_explicitly: bool
    has_directives: bool


def documents(text: Text, part: Span, names: Collection[str]) -> Iterator[Document]:
    """The documents of `part`, whose mappings have the fields `names`.

    Not all: mappings that merge one another, each with a key of its own, would have the square of what is written.

    raises  KubeError where it is not YAML, or has an alias without an anchor
    """
    return _Builder(text, part, names).documents()


class _Builder:
    def __init__(self, text: Text, part: Span, names: Collection[str]) -> None:
        self._text = text
        self._part = part
        self._names = names
        self._events = events.events(text, part)
        self._anchors: dict[str, Node] = {}

    def documents(self) -> Iterator[Document]:
        from yaml.events import DocumentStartEvent

        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                self._anchors = {}
                root = self._root()
                end = next(self._events)
                yield Document(
                    root=root,
                    start=self._span(event)[0],
                    end=self._span(end)[1],
                    ends_explicitly=bool(end.explicit),
                    has_directives=bool(event.version or event.tags),
                )

    def _root(self) -> Node:
        """Without recursion, so that nothing is nested too deep."""
        open_nodes: list[Node] = []
        while True:
            event = next(self._events)
            start, end = self._span(event)
            if hasattr(event, "flow_style"):
                kind: Kind = "mapping" if type(event).__name__.startswith("Mapping") else "sequence"
                open_nodes.append(Node(kind=kind, start=start, end=end, flow=bool(event.flow_style)))
                self._name(event, open_nodes[-1])
                continue
            if hasattr(event, "value"):
                if event.style in ("|", ">"):  # whose marks reach to the next token
                    end = start + len(self._text.characters[start:end].rstrip())
                node = Node(kind="scalar", start=start, end=end, value=event.value)
                self._name(event, node)
            elif hasattr(event, "anchor"):
                node = self._anchors.get(event.anchor) or self._unknown(event)
            else:
                node = open_nodes.pop()
                # A block ends where its last child does; its own mark is at the next token.
                start, node.end = node.start, end if node.flow else max([node.end, *(last for _, last in node.where)])
                end = node.end
                if node.kind == "mapping":
                    node.merges = node.fields = _fields(node, self._names)
                else:
                    node.merges = _merges(node)
            if not open_nodes:
                return node
            open_nodes[-1].children.append(node)
            open_nodes[-1].where.append((start, end))

    def _name(self, event: Any, node: Node) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = node

    def _unknown(self, event: Any) -> NoReturn:
        place = self._text.place(self._span(event)[0])
        raise KubeError(f"cannot read '{place}': alias '*{event.anchor}' without an anchor of that name before it")

    def _span(self, event: Any) -> Span:
        return event.start_mark.index + self._part[0], event.end_mark.index + self._part[0]


def _fields(node: Node, names: Collection[str]) -> dict[str, Node]:
    """YAML 1.1's type merge: a mapping's own keys come before merged ones, and earlier merged ones before later."""
    own: dict[str, Node] = {}
    merged: dict[str, Node] = {}
    for name, value in zip(node.children[::2], node.children[1::2], strict=False):
        if name.kind == "scalar" and name.value == "<<":
            merged = value.merges | merged
        elif name.kind == "scalar" and name.value in names:
            own[name.value] = value
    return merged | own


def _merges(node: Node) -> dict[str, Node]:
    """Once, however often it is merged in."""
    merged: dict[str, Node] = {}
    for each in node.children:
        merged = each.fields | merged
    return merged
