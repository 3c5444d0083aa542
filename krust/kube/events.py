"""YAML's events, by PyYAML's C parser, with their places in the file; and the scalars among them that are values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from krust.errors import KubeError
from krust.kube.text import Text

if TYPE_CHECKING:
    from yaml.error import YAMLError

Span = tuple[int, int]

# YAML 1.1, 4.1.4, which libyaml follows. 1.2 has only the first three.
LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

# Tag and anchor, before the token of a scalar; comments and line ends may stand between.
_PROPERTIES = re.compile(r"(?:[!&]\S*(?:\s+(?:#[^\r\n]*)?)*)+")
# YAML 1.2.2, 5.1, as libyaml reads it.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATES = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")

# What the next node in a collection is; with _FLOW added, if the collection is within brackets.
_VALUES, _KEY, _VALUE, _IN_KEY, _FLOW = 0, 1, 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A scalar that is a value, not a key. `start` and `end` are those of its token, without tag and anchor.

    style   None for plain, or the first character of the token: one of ' " | >
    flow    whether it is within brackets
    """

    start: int
    end: int
    value: str
    style: str | None
    flow: bool

    @property
    def is_block(self) -> bool:
        return self.style in ("|", ">")


def parts(characters: str) -> Iterator[Span]:
    """Where `characters` can be cut so that each part parses as it does in the whole: before each line `---`.

    That line is a document's start wherever it stands, or an error in both. YAML 1.2.2, 9.1.2. A text with directives
    stays whole, because they stand before their document's start.
    """
    start = 0
    if not characters.startswith("%") and "\n%" not in characters:
        at = characters.find("\n---")
        while at >= 0:
            if characters[at + 4 : at + 5] in ("", " ", "\t", "\r", "\n"):
                yield start, at + 1
                start = at + 1
            at = characters.find("\n---", at + 4)
    yield start, len(characters)


def events(text: Text, part: Span) -> Iterator[Any]:
    """The events of a part, of yaml.events. Their marks count from its start. Raises KubeError where it is not YAML."""
    from yaml._yaml import CParser
    from yaml.error import YAMLError

    parser = CParser(_readable(text.characters[slice(*part)]))
    try:
        while (event := parser.get_event()) is not None:
            yield event
    except YAMLError as error:
        raise _fault(text, part, error) from error
    finally:
        parser.dispose()


def check(text: Text, part: Span) -> None:
    """Raise KubeError where a part is not YAML. It takes a third of the time of its events."""
    from yaml._yaml import CParser
    from yaml.error import YAMLError

    parser = CParser(_readable(text.characters[slice(*part)]))
    try:
        parser.raw_parse()
    except YAMLError as error:
        raise _fault(text, part, error) from error
    finally:
        parser.dispose()


def scalars(text: Text, part: Span, wanted: Callable[[str], object]) -> Iterator[Scalar]:
    """Those values in a part that are `wanted`, each once, however many aliases it has. Keys are no values."""
    from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent
    from yaml.events import SequenceStartEvent as SequenceStart

    state = _VALUES
    outer: list[int] = []
    for event in events(text, part):
        kind = type(event)
        if kind is ScalarEvent:
            if state & 3 not in (_KEY, _IN_KEY) and wanted(event.value):
                yield Scalar(
                    start=token_start(text.characters, event, part),
                    end=event.end_mark.index + part[0],
                    value=event.value,
                    style=event.style or None,
                    flow=state >= _FLOW,
                )
        elif kind is MappingStartEvent or kind is SequenceStart:
            outer.append(state)
            if state & 3 in (_KEY, _IN_KEY):
                inner = _IN_KEY
            else:
                inner = _KEY if kind is MappingStartEvent else _VALUES
            state = inner | _FLOW if event.flow_style else inner
            continue
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            state = outer.pop()
        elif kind is not AliasEvent:
            continue
        # A node has ended: after a key comes its value, and after that the next key.
        if state & 3 in (_KEY, _VALUE):
            state ^= _KEY ^ _VALUE


def line_end(characters: str, index: int) -> int:
    """The end of the line that holds `index`, before its line break."""
    found = LINE_END.search(characters, index)
    return found.start() if found else len(characters)


def token_start(characters: str, event: Any, part: Span) -> int:
    """Where the token of a scalar begins: its event begins with its tag and its anchor, if it has them."""
    start: int = event.start_mark.index + part[0]
    if getattr(event, "tag", None) is None and getattr(event, "anchor", None) is None:
        return start
    properties = _PROPERTIES.match(characters, start)
    return properties.end() if properties else start


def _readable(characters: str) -> str:
    """JSON writes a character beyond U+FFFF as two escapes, which YAML has no name for: of equal length, then."""
    return _SURROGATES.sub(r"\\u0020\\u0020", characters) if "\\u" in characters else characters


def _fault(text: Text, part: Span, error: YAMLError) -> KubeError:
    from yaml.error import MarkedYAMLError

    what, index = "it cannot be parsed", part[0]
    if isinstance(error, MarkedYAMLError):
        what = " ".join(filter(None, (error.problem, error.context)))
        mark = error.problem_mark or error.context_mark
        index += mark.index if mark else 0
    elif bad := _UNPRINTABLE.search(text.characters, *part):
        what, index = f"character U+{ord(bad[0]):04X} is not allowed", bad.start()
    then = "render a template first, or let files without references through with --passthrough"
    return KubeError(f"cannot read '{text.place(index)}': not YAML: {what}; {then}")
