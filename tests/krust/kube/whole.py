"""What the tests ask of a whole text, where krust asks it of one document after another."""

from __future__ import annotations

from krust.kube import events
from krust.kube.find import Occurrence, find_in
from krust.kube.text import Text


def find(text: Text, *, substrings: bool = False) -> list[Occurrence]:
    return [found for part in events.parts(text.characters) for found in find_in(text, part, substrings=substrings)]
