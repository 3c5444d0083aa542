"""Join: several texts as one, for whoever reads a single stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from krust.kube.text import Text


def join(texts: Iterable[Text], out: BinaryIO) -> None:
    """Write the bytes of the only text; of several, in UTF-8, each as documents of its own. Empty ones are passed over.

    YAML 1.2.2, 9.2: what stands between them is `---`, after a line end; a text with directives needs `...` before it.
    Two are held at a time.
    """
    first: Text | None = None
    last = ""
    for text in texts:
        if not text.characters.strip():
            continue
        if first is None:
            first, last = text, text.characters[-1]
            continue
        if first.characters:
            # kubectl takes a stream that begins with a brace for JSON to its end.
            mark = "---\n" if first.characters.lstrip().startswith(("{", "[")) else ""
            out.write((mark + first.characters).encode())
            first = first.saying("")
        is_begun = text.characters[:4].rstrip() == "---"  # at the begin of its line: elsewhere it is words
        between = "...\n" if text.characters.startswith("%") else "" if is_begun else "---\n"
        out.write((("" if last == "\n" else "\n") + between + text.characters).encode())
        last = text.characters[-1]
    if first is not None and first.characters:
        out.write(first.encode())
