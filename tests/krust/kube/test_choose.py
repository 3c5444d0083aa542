"""What -l leaves out, and that all else stays as it is."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from krust.errors import KubeError
from krust.kube.choose import left_out
from krust.kube.selector import Selector
from krust.kube.splice import splice
from krust.kube.text import Text
from tests.krust.kube.kubectl import kubectl
from tests.tools import require_tool


def kept(characters: str, selector: str) -> str:
    text = Text(file="f.yaml", characters=characters)
    return splice(text, [], without=left_out(text, Selector.parse(selector))).characters


def item(name: str, label: str) -> str:
    return f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, labels: {{a: {label}}}}}}}"


DOCUMENTS = """\
# first
apiVersion: v1
kind: ConfigMap   # one
metadata: &m
  name: one
  labels: &l {a: "x"}
--- # two
apiVersion: v1
kind: ConfigMap
metadata:
  name: two
  labels:
    a: |-
      x
# of two
---
# nothing
---
apiVersion: v1
kind: ConfigMap
metadata: {name: three}
---
apiVersion: v1
kind: ConfigMap
metadata:
  labels: &y {a: w}
  name: four
more:
  <<: *y"""

ITEMS = f"""\
apiVersion: v1
kind: List
# items
items:
# one
- {item("one", "x")} # it
# two
-
  # it
  apiVersion: v1
  kind: ConfigMap
  data:
    a: |+
      keep

  metadata:
    labels: {{<<: [{{a: x}}, {{a: w}}]}}
    name: two

# three
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: three
- metadata: {{labels: {{a: w}}, name: four}}
  kind: ConfigMap
  apiVersion: v1
metadata: {{}}
"""

JSON = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "ConfigMapList",
        "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"a": label}}}
            for name, label in (("one", "x"), ("two", "w"), ("three", "x"), ("four", "w"), ("five", "z"))
        ],
    }
)

TEXTS = {"documents": DOCUMENTS, "items": ITEMS, "json": JSON}
SELECTORS = ["a", "!a", "a=x", "a!=x", "a in (x,w)", "a notin (x,w)", "a=z", "a=nothing", "b", ""]


def names(characters: str) -> list[str]:
    """Of the objects in it, those of lists too, in order."""

    def of(document: object) -> list[str]:
        if not isinstance(document, dict):
            return []
        if "items" in document:
            return [name for each in document["items"] for name in of(each)]
        return [document["metadata"]["name"]]

    return [name for document in yaml.safe_load_all(characters) for name in of(document)]


@pytest.mark.parametrize(
    ("selector", "names_kept"),
    [("a=x", "one two"), ("a!=x", "three four"), ("!a", "three"), ("a", "one two four"), ("", "one two three four")],
)
def test_documents_go_whole(selector: str, names_kept: str) -> None:
    parts = dict(zip(("one", "two", "nothing", "three", "four"), DOCUMENTS.split("\n---"), strict=True))
    whole = [part if name == "one" else f"---{part}" for name, part in parts.items() if name in names_kept.split()]
    done = kept(DOCUMENTS, selector)
    assert done.rstrip("\n") == "\n".join(whole)
    assert names(done) == names_kept.split()


def test_items_go_alone_and_comments_between_them_stay() -> None:
    begin, end = (
        ITEMS.index("- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: three"),
        ITEMS.index("metadata: {}\n"),
    )
    assert kept(ITEMS, "a=x") == ITEMS[:begin] + ITEMS[end:]
    begin, end = ITEMS.index("- {apiVersion"), ITEMS.index("# two")
    two, three = ITEMS.index("-\n"), ITEMS.index("\n# three")
    assert kept(ITEMS, "a!=x") == ITEMS[:begin] + ITEMS[end:two] + ITEMS[three:]


@pytest.mark.parametrize(
    ("before", "selector", "after"),
    [
        ("kind: List\nitems: [{a: 1}, {metadata: {labels: {b: c}}} , {a: 2},]\n", "b",
         "kind: List\nitems: [{metadata: {labels: {b: c}}},]\n"),
        ('{"kind":"List","items":[{"a":1},{"a":2},{"metadata":{"labels":{"b":"c"}}}]}', "!b",
         '{"kind":"List","items":[{"a":1},{"a":2}]}'),
        ("kind: List\nitems:\n- a: 1\n- metadata: {labels: {b: c}}", "b",
         "kind: List\nitems:\n- metadata: {labels: {b: c}}"),
        ("kind: List\r\nitems:\r\n-\r\n- metadata: {labels: {b: c}} # x\r\n# y\r\n", "b",
         "kind: List\r\nitems:\r\n- metadata: {labels: {b: c}} # x\r\n# y\r\n"),
        ("kind: List\nitems: []\n", "!b", ""),
        ("kind: Menu\nitems: [{a: 1}]\n", "!b", "kind: Menu\nitems: [{a: 1}]\n"),
        ("kind: List\nitems: {a: 1}\n", "!b", "kind: List\nitems: {a: 1}\n"),
        ("a: b\n---\nmetadata: {labels: {b: c}}\n...\n---\nx: 1\n...\n%YAML 1.1\n---\nmetadata: {labels: {b: d}}\n",
         "b",
         "---\nmetadata: {labels: {b: c}}\n...\n...\n%YAML 1.1\n---\nmetadata: {labels: {b: d}}\n"),
        ("x: 1\n...\n%YAML 1.1\n---\nmetadata: {labels: {b: c}}\n", "b",
         "%YAML 1.1\n---\nmetadata: {labels: {b: c}}\n"),
        ("metadata: {labels: {b: c}}\n--- 'x'\n%YAML 1.1\n---\nmetadata: {labels: {b: d}}\n", "b",
         "metadata: {labels: {b: c}}\n%YAML 1.1\n---\nmetadata: {labels: {b: d}}\n"),
        ("metadata: {labels: {b: c}, labels: {b: d}}\n", "b=d", "metadata: {labels: {b: c}, labels: {b: d}}\n"),
        ("metadata: {labels: {b: c, <<: {b: d}}}\n", "b=c", "metadata: {labels: {b: c, <<: {b: d}}}\n"),
        ("kind: List\nitems:\n- &a {x: 1}\n- {metadata: {labels: {b: &a c}}, y: *a}\n", "b",
         "kind: List\nitems:\n- {metadata: {labels: {b: &a c}}, y: *a}\n"),
        ("metadata: {labels: [b]}\n---\n- b\n---\nmetadata: b\n", "b", ""),
    ],
)  # fmt: skip
def test_what_stays_is_untouched(before: str, selector: str, after: str) -> None:
    assert kept(before, selector) == after


@pytest.mark.parametrize(
    "items",
    [
        "- &a {x: 1}\n- {metadata: {labels: {b: c}}, y: *a}\n",
        "- {metadata: {labels: {b: c}}, z: &a 1}\n- &a {x: 1}\n- {metadata: {labels: {b: c}}, y: *a}\n",
    ],
)
def test_an_anchor_that_is_needed_is_not_left_out(items: str) -> None:
    with pytest.raises(KubeError, match=r"cannot leave out anchor '&a': 'f.yaml:\d:\d+' stays and needs it"):
        kept(f"kind: List\nitems:\n{items}", "b")


def test_an_alias_without_an_anchor_is_an_error() -> None:
    with pytest.raises(KubeError, match=r"cannot read 'f.yaml:1:4': alias '\*a'"):
        kept("a: *a\n", "b")


CHAIN = "m0: &m0 {k0: 0}\n" + "".join(f"m{i}: &m{i} {{<<: *m{i - 1}, k{i}: 0}}\n" for i in range(1, 3000))
LISTS = f"m: &m {{labels: {{b: c}}}}\nl: &l [{'*m, ' * 3000}]\nx: [{'{<<: *l}, ' * 3000}]\n"


@pytest.mark.parametrize("characters", [CHAIN, LISTS], ids=["a chain", "a list"])
def test_merges_cost_no_more_than_they_are_long(characters: str) -> None:
    """Each key of the chain in every mapping after it would take 130 MB; each of the lists in each mapping, seconds."""
    tracemalloc.start()
    began = time.process_time()
    try:
        assert kept(f"{characters}metadata: {{labels: {{b: c}}}}\n", "b=c").startswith(characters)
        assert time.process_time() - began < 4
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


@given(
    labels=st.lists(st.sampled_from("xwz"), min_size=1, max_size=6),
    is_json=st.booleans(),
    selector=st.sampled_from(["a=x", "a!=x", "a in (x,w)", "a notin (w)"]),
)
def test_the_objects_that_stay_are_those_that_match(labels: list[str], is_json: bool, selector: str) -> None:
    objects = [{"kind": "ConfigMap", "metadata": {"name": f"n{i}", "labels": {"a": a}}} for i, a in enumerate(labels)]
    document = {"kind": "List", "items": objects, "z": 1}
    text = json.dumps(document, indent=1) if is_json else yaml.safe_dump(document, sort_keys=False)
    matching = [o for o in objects if Selector.parse(selector).matches({"a": str(o["metadata"]["labels"]["a"])})]  # type: ignore[index]
    assert yaml.safe_load(kept(text, selector)) == ({**document, "items": matching} if matching else None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", TEXTS)
def test_kubectl_keeps_the_same_objects(kind: str) -> None:
    with kubectl(require_tool("kubectl")) as real:
        for selector in SELECTORS:
            assert names(kept(TEXTS[kind], selector)) == real.keeps(selector, TEXTS[kind].encode()), selector
