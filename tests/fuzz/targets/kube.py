"""krust/kube: other people's YAML, and what is said of it."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import yaml

from krust.errors import Faults, KubeError
from krust.kube import lock
from krust.kube.choose import left_out
from krust.kube.join import join as joined
from krust.kube.keep import find_kept, splice_kept
from krust.kube.package import PackageReference
from krust.kube.selector import Selector
from krust.kube.splice import edited, splice
from krust.kube.text import Text
from tests.fuzz.target import check_message, malformed, target, text, tried
from tests.krust.kube.whole import find

P = ParamSpec("P")

IMAGE = "registry.example:5000/team/app@sha256:" + "0123456789abcdef" * 4

_YAML = (
    "krust://web",
    "krust://./a#b",
    "--image=krust://web",
    "- ",
    ": ",
    "? ",
    "|\n  ",
    ">-\n  ",
    "|2+\n",
    "'",
    '"',
    "\\x6b",
    "\\u002f",
    "\\ud83d\\ude00",
    "&a ",
    "*a",
    "!!str ",
    "!t ",
    "%YAML 1.1\n---\n",
    "---\n",
    "...\n",
    "# krust://web",
    " # ",
    "<<: *a",
    "\ufeff",
    "\u2028",
    "\x85",
    "\r\n",
    IMAGE,
)


def _events(characters: str) -> list[tuple[object, ...]] | None:
    """What the text says, all of it at once; None where it is not YAML."""
    try:
        return [_said(event) for event in yaml.parse(characters, Loader=yaml.CSafeLoader)]
    except yaml.YAMLError:
        return None


def _said(event: yaml.Event) -> tuple[object, ...]:
    fields = ("value", "anchor", "tag", "implicit", "style", "flow_style", "explicit", "version", "tags")
    return type(event).__name__, *(getattr(event, name, None) for name in fields)


def _spliced(splicer: Callable[P, Text], *arguments: P.args, **named: P.kwargs) -> Text | None:
    """As `tried`, for what refuses several things at once, in a line each."""
    try:
        return tried(KubeError, splicer, *arguments, **named)
    except Faults as faults:
        for line in str(faults).splitlines():
            check_message(KubeError(line))
        return None


@target(*_YAML, longest=1 << 14)
def splice_references(data: bytes) -> None:
    """What was found becomes an image, and nothing else changes: neither a byte around it, nor what the rest says."""
    read = tried(KubeError, Text.decode, data, "f.yaml")
    if read is None:
        return
    assert read.encode() == data
    before = _events(read.characters)
    for substrings in (False, True):
        found = tried(KubeError, find, read, substrings=substrings)
        if found is None:
            continue
        if "\\u" not in read.characters:  # whose surrogates JSON has and YAML has not
            assert before is not None, "it is not YAML as a whole"
        done = _spliced(splice, read, [(each, IMAGE) for each in found])
        if done is None:
            continue
        pieces = itertools.pairwise([(0, 0), *((each.start, each.end) for each in found), (len(read.characters), 0)])
        for (_, end), (start, _) in pieces:
            assert read.characters[end:start].strip("\"' \t\r\n") in done.characters
        assert len(find(done, substrings=substrings)) == 0
        if before is not None:
            _check_same(before, _events(done.characters), len(found))


def _check_same(before: list[tuple[object, ...]], after: list[tuple[object, ...]] | None, count: int) -> None:
    assert after is not None, "it is no YAML any more"
    assert len(before) == len(after)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) <= count
    for old, new in changed:
        assert old[0] == new[0] == "ScalarEvent"
        assert "krust://" in str(old[1])
        assert IMAGE in str(new[1])


@target(*_YAML, longest=1 << 14)
def keep_references(data: bytes) -> None:
    """Editing in place twice is editing once."""
    read = tried(KubeError, Text.decode, data, "f.yaml")
    if read is None:
        return
    for substrings in (False, True):
        kept = tried(KubeError, find_kept, read, substrings=substrings)
        if not kept:
            continue
        images = {each.occurrence.reference: IMAGE for each in kept}
        done = _spliced(splice_kept, read, kept, images)
        if done is not None:
            again = find_kept(done, substrings=substrings)
            assert [each.occurrence.reference for each in again] == [each.occurrence.reference for each in kept]
            assert splice_kept(done, again, images) == done


@target(*_YAML, "kind: List\nitems:\n", "metadata:", "labels:", "app: web", "{app: web}", longest=1 << 14)
def choose(data: bytes) -> None:
    """What is left has the label, and is all that had it."""
    read = tried(KubeError, Text.decode, data, "f.yaml")
    selector = Selector.parse("app=web")
    spans = None if read is None else tried(KubeError, left_out, read, selector)
    if read is None or spans is None:
        return
    assert spans == sorted(spans)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    rest = read.saying(edited(read.characters, [(span, "") for span in spans]))
    assert left_out(rest, selector) == [], "there is more to leave out of what is left"
    before, after = _objects(read.characters, selector), _objects(rest.characters, selector)
    if before is not None and after is not None:
        assert after == before


def _objects(characters: str, selector: Selector) -> list[object] | None:
    """Those that match, by PyYAML's own constructor, in which everything is text; it does not merge by '<<'."""
    if "*" in characters:
        return None
    try:
        documents = list(yaml.load_all(characters, Loader=yaml.CBaseLoader))
    except (yaml.YAMLError, RecursionError, TypeError):
        return None
    found: list[object] = []
    for each in documents:
        is_list = isinstance(each, dict) and str(each.get("kind")).endswith("List")
        items = each.get("items") if is_list else None
        found += [one for one in (items if isinstance(items, list) else [each]) if _matches(one, selector)]
    return found


def _matches(each: Any, selector: Selector) -> bool:
    metadata = each.get("metadata") if isinstance(each, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    texts = {key: value for key, value in labels.items() if isinstance(value, str)} if isinstance(labels, dict) else {}
    return selector.matches(texts)


_SETS: tuple[Mapping[str, str], ...] = (
    {},
    {"app": "web"},
    {"app": "", "tier": "db"},
    {"app": "5", "a": "-3", "a.b/c": "x"},
    {"in": "notin", "notin": "in"},
)
_REQUIREMENT = re.compile(r"(!?)([^=!(),><\s]+)(?:(=|==|!=|<|>)([^=!(),><\s]*)| (in|notin) \(([^()]*)\))?")


@target("app", "=", "==", "!=", " in (", " notin (", "a,b", ")", ",", "!", ">", "<", "5", "a.b/c", "tier")
def selector(data: bytes) -> None:
    found = malformed(Selector.parse, text(data))
    if found is None:
        return
    assert Selector.parse(str(found)) == found
    for labels in _SETS:
        assert found.matches(labels) == all(
            _holds(each, labels) for each in re.findall(r"[^,(]+(?:\([^)]*\))?", str(found))
        ), f"{found} of {labels}"


def _holds(requirement: str, labels: Mapping[str, str]) -> bool:
    """pkg/labels/selector.go, Requirement.Matches."""
    match = _REQUIREMENT.fullmatch(requirement)
    assert match, f"{requirement!r} is no requirement"
    no, key, operator, value, word, values = match.groups()
    if operator in ("<", ">"):
        try:
            return labels[key] != "" and (
                (int(labels[key]) > int(value)) == (operator == ">") != (int(labels[key]) == int(value))
            )
        except (KeyError, ValueError):
            return False
    if operator == "!=" or word == "notin":
        return labels.get(key) not in (values.split(",") if word else [value])
    if operator or word:
        return labels.get(key) in (values.split(",") if word else [value])
    return (key in labels) != bool(no)


@target(
    '{"version":1,"images":[{"directory":"a","package":"a","image":"r/a","platforms":["linux/amd64"],"digest":"sha256:'
    + "0" * 64
    + '","binary":"b","commit":"c"}]}',
    "null",
    "[]",
    "{}",
)
def lock_file(data: bytes) -> None:
    found = malformed(lock.parse, data, "krust.lock")
    if found is not None:
        again = lock.parse(lock.written(found).encode(), "krust.lock")
        assert again == sorted(found, key=str)
        assert lock.written(again) == lock.written(found)


@target("krust://", "#", "./", "../", " ")
def package_reference(data: bytes) -> None:
    found = malformed(PackageReference.parse, text(data), where="f.yaml:1:1")
    if found is not None:
        assert str(found) == text(data)
        assert str(found).isprintable()


@target(*_YAML, "\x01", "{", "[", longest=1 << 14)
def join(data: bytes) -> None:
    """Several texts, apart by \\x01, say in one stream what each of them says."""
    texts = [tried(KubeError, Text.decode, each, "f.yaml") for each in data.split(b"\1")]
    read = [each for each in texts if each is not None and _events(each.characters) is not None]
    if len(read) < 2 or any("%" in each.characters for each in read):
        return
    out = io.BytesIO()
    joined(read, out)
    together = _documents(out.getvalue().decode("utf-8-sig"))
    apart = [_documents(each.characters) for each in read]
    assert together is not None, "it is no YAML together"
    expected = [one for each in apart if each is not None for one in each]
    assert [each for each in together if each] == [each for each in expected if each]


def _documents(characters: str) -> list[list[tuple[object, ...]]] | None:
    said = _events(characters)
    if said is None:
        return None
    found: list[list[tuple[object, ...]]] = []
    for each in said:
        if each[0] == "DocumentStartEvent":
            found.append([])
        elif found and each[0] not in ("DocumentEndEvent", "StreamEndEvent"):
            found[-1].append(each)
    return [each for each in found if each != [each[0]] or each[0][1] != ""]
