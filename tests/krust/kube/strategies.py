"""YAML written in awkward ways, with references planted: what goes in, and what has to come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

IMAGE = "registry.example:5000/team/app@sha256:" + "0123456789abcdef" * 4


@dataclass(frozen=True)
class Slot:
    """Where a reference stands."""

    reference: str


@dataclass(frozen=True)
class Planted:
    """A text with references in it."""

    pieces: tuple[str | Slot, ...]

    @property
    def text(self) -> str:
        return "".join(piece if isinstance(piece, str) else piece.reference for piece in self.pieces)

    @property
    def references(self) -> list[str]:
        return [piece.reference for piece in self.pieces if isinstance(piece, Slot)]

    def expected(self, image: str = IMAGE) -> str:
        return "".join(piece if isinstance(piece, str) else image for piece in self.pieces)


_Pieces = tuple[str | Slot, ...]

_references = st.sampled_from(["krust://web", "krust://examples/hello-krust", "krust://./é#b-1", "krust:///😀/x"])
_comments = st.sampled_from(["", "", "", " # krust://not/this", '   # it\'s "one" 😀: {'])
_words = st.sampled_from(
    ["x", "0644", "a b", "é😀", "no: krust", "~", "krust:/", "a # b", "", "- x", "true", "{", "tab\t."]
)
_properties = st.sampled_from(["", "", "", "", "!!str ", "&a ", "!thing &b "])
_inline = st.sampled_from(["", "'", '"'])


def _quoted(text: str, quote: str) -> str:
    if quote == "'":
        return "'" + text.replace("'", "''") + "'"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


@st.composite
def _inline_scalar(draw: st.DrawFn) -> _Pieces:
    """On one line, and good in brackets too."""
    if draw(st.integers(0, 9)) == 0:
        return ("*a ",)  # the parser does not ask whether there is such an anchor
    quote, properties = draw(_inline), draw(_properties)
    if draw(st.booleans()):
        return properties + quote, Slot(draw(_references)), quote
    return (properties + _quoted(draw(_words), quote or "'"),)


@st.composite
def _flow(draw: st.DrawFn, depth: int) -> _Pieces:
    if depth == 0 or draw(st.booleans()):
        return draw(_inline_scalar())
    items = draw(st.lists(_flow(depth - 1), max_size=3))
    comma = draw(st.sampled_from([", ", " ,", ",\n      ", ", # krust://comma\n      "]))
    is_mapping = draw(st.booleans())
    pieces: _Pieces = ("{" if is_mapping else "[",)
    for index, item in enumerate(items):
        pieces += (comma if index else "", f"'krust://key{index}': " if is_mapping else "", *item)
    return *pieces, "}" if is_mapping else "]"


@st.composite
def _block_scalar(draw: st.DrawFn, indent: int) -> _Pieces:
    margin = " " * (indent + 2)
    header = draw(_properties) + draw(st.sampled_from("|>")) + draw(st.sampled_from(["", "2"]))
    header += draw(st.sampled_from(["", "-", "+"])) + draw(_comments) + "\n"
    tail = draw(st.sampled_from(["\n", "\n\n", " \n", f"\n{margin}\n"]))
    if draw(st.booleans()):
        return header + margin, Slot(draw(_references)), tail
    return (f"{header}{margin}#!/bin/sh\n{margin}\tkrust://tab # {draw(_words)}{tail}",)


@st.composite
def _folded(draw: st.DrawFn, indent: int) -> _Pieces:
    """A quoted or plain scalar of several lines, which does not begin with a reference; or one after its tag."""
    margin = " " * (indent + 2)
    match draw(st.sampled_from(["plain", "single", "double", "tag"])):
        case "plain":
            return (f"see krust://a\n{margin}and 😀 krust://b{draw(_comments)}\n",)
        case "single":
            return (f"'it''s\n\n{margin}krust://b'{draw(_comments)}\n",)
        case "double":
            return (f'"a\\\n{margin}\\tkrust://b\n{margin}c"{draw(_comments)}\n',)
    return f"!!str # what\n\n{margin}", Slot(draw(_references)), draw(_comments) + "\n"


_keys = st.sampled_from(["KEY: "] * 4 + ["same: ", "krust://key: ", "? KEY\n: ", "? [krust://key, *a ]\n: "])
"""Before a value: of each its own, the same one twice, a reference, and those that are more than a word."""


def _key(form: str, index: int, margin: str) -> str:
    return form.replace("KEY", f"key{index}").replace("\n", f"\n{margin}")


@st.composite
def _node(draw: st.DrawFn, indent: int, depth: int) -> _Pieces:
    """What follows a key's colon or a dash, to the end of its last line."""
    match draw(st.sampled_from(["inline", "flow", "block", "folded", *(["sequence", "mapping"] * 2 if depth else [])])):
        case "inline":
            return *draw(_inline_scalar()), draw(_comments) + "\n"
        case "flow":
            return *draw(_flow(2)), draw(_comments) + "\n"
        case "block":
            return draw(_block_scalar(indent))
        case "folded":
            return draw(_folded(indent))
        case kind:
            pieces: _Pieces = (draw(_comments) + "\n",)
            for index in range(draw(st.integers(1, 3))):
                between = draw(st.sampled_from(["", "", "", "\n", " " * (indent + 2) + "# krust://between\n"]))
                margin = " " * (indent + 2)
                dash = "- " if kind == "sequence" else _key(draw(_keys), index, margin)
                pieces += (between + margin + dash, *draw(_node(indent + 2, depth - 1)))
            return pieces


def _joined(pieces: _Pieces, line_end: str, is_cut: bool) -> Planted:
    ended = [piece.replace("\n", line_end) if isinstance(piece, str) else piece for piece in pieces]
    if is_cut and isinstance(last := ended[-1], str):
        ended[-1] = last.rstrip("\r\n")
    return Planted(pieces=tuple(ended))


@st.composite
def awkward(draw: st.DrawFn) -> Planted:
    """Written by hand, so to say: every style beside every other."""
    pieces: _Pieces = ()
    for index in range(draw(st.integers(1, 3))):
        start = draw(st.sampled_from(["---\n", "--- # krust://start\n", "%YAML 1.1\n---\n"]))
        pieces += ("" if index == 0 and draw(st.booleans()) else start,)
        pieces += tuple(f for key in range(draw(st.integers(1, 3))) for f in (f"top{key}: ", *draw(_node(0, 2))))
        if draw(st.booleans()):
            pieces += ("<<: {krust://merged: *a , <<: [*a , *b ]}\n",)
        if draw(st.booleans()) or start.startswith("%"):
            pieces += ("...\n",)
    if "%" in "".join(piece for piece in pieces[1:] if isinstance(piece, str)):
        # A directive stands after '...' only, or it is read as a part of what comes before.
        pieces = tuple(p.replace("%YAML 1.1\n---\n", "---\n") if isinstance(p, str) else p for p in pieces)
    return _joined(pieces, draw(st.sampled_from(["\n", "\r\n"])), draw(st.booleans()))


@st.composite
def dumped(draw: st.DrawFn) -> Planted:
    """As PyYAML's dumper writes it."""
    texts: SearchStrategy[Any] = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    texts = texts.filter(lambda text: "krust://" not in text)  # hypothesis tries the strings of the code, too
    leaves = texts | _references.filter(str.isascii) | st.integers() | st.none()
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )
    text = yaml.safe_dump_all(
        draw(st.lists(values, min_size=1, max_size=3)),
        default_style=draw(st.sampled_from([None, "'", '"', "|", ">"])),
        default_flow_style=draw(st.sampled_from([True, False, None])),
        indent=draw(st.sampled_from([None, 4, 7])),
        width=draw(st.sampled_from([20, 80])),
        allow_unicode=draw(st.booleans()),
        line_break=draw(st.sampled_from(["\n", "\r\n"])),
        explicit_start=True,
        explicit_end=draw(st.booleans()),
    )
    pieces: list[str | Slot] = []
    for index, piece in enumerate(text.split("krust://")):
        if index == 0:
            pieces.append(piece)
            continue
        reference = next(r for r in ("web", "examples/hello-krust") if piece.startswith(r))
        pieces += [Slot(f"krust://{reference}"), piece.removeprefix(reference)]
    return Planted(pieces=tuple(pieces))
