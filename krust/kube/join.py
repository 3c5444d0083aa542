"""Join: several texts as one, for whoever reads a single stream."""

from __future__ import annotations

from collections.abc import Sequence

from krust.kube.text import Text


def joined(texts: Sequence[Text]) -> bytes:
    """The bytes of the only text; of several, in UTF-8, each as documents of its own. Empty ones are passed over.

    YAML 1.2.2, 9.2: what stands between them is `---`, after a line end; a text with directives needs `...` before it.
    """
    texts = [text for text in texts if text.characters.strip()]
    if len(texts) == 1:
        return texts[0].encode()
    # kubectl takes a stream that begins with a brace for JSON to its end.
    pieces = ["---\n"] if texts and texts[0].characters.lstrip().startswith(("{", "[")) else []
    for index, text in enumerate(texts):
        if index:
            line_end = "" if pieces[-1].endswith("\n") else "\n"
            first = text.characters[:4].split()[:1]
            between = "...\n" if text.characters.startswith("%") else "" if first == ["---"] else "---\n"
            pieces.append(line_end + between)
        pieces.append(text.characters)
    return "".join(pieces).encode()
