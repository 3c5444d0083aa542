"""Label selectors: what they take, what they mean, and that kubectl agrees."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust.kube.selector import Requirement, Selector
from plumbing.errors import Malformed
from tests.krust.kube.kubectl import kubectl
from tests.tools import require_tool

OBJECTS: dict[str, dict[str, str]] = {
    "none": {},
    "web": {"app": "web", "tier": "front"},
    "api": {"app": "api", "tier": "back", "number": "10"},
    "blank": {"app": "", "in": "notin"},
    "nine": {"number": "9", "example.com/app": "web"},
    "word": {"number": "x", "notin": "in"},
}

# Which of OBJECTS each keeps.
MEANT = {
    "": "none web api blank nine word",
    "  \t": "none web api blank nine word",
    "app": "web api blank",
    "!app": "none nine word",
    "! app": "none nine word",
    "app=web": "web",
    "app = web": "web",
    "app==web": "web",
    "app!=web": "none api blank nine word",
    "app=": "blank",
    "app=,tier": "",
    "app!=": "none web api nine word",
    "app in (web,api)": "web api",
    "app in(web , api )": "web api",
    "app in (web,web)": "web",
    "app in ()": "blank",
    "app in (,)": "blank",
    "app in (,web)": "web blank",
    "app in (web,)": "web blank",
    "app in (web,,api)": "web api blank",
    "app notin (web,api)": "none blank nine word",
    "app notin ()": "none web api nine word",
    "app,tier": "web api",
    "app,!tier": "blank",
    "tier in (front),app!=api": "web",
    "app=web,app=api": "",
    "number>9": "api",
    "number<10": "nine",
    "number > 08": "api nine",
    "example.com/app": "nine",
    "example.com/app in (web)": "nine",
    "in": "blank",
    "in in (in,notin)": "blank",
    "notin notin (in)": "none web api blank nine",
    "in=notin": "blank",
    "notin = in": "word",
    "!in,!notin": "none web api nine",
    "\n app\r\n,\ttier ": "web api",
    "a" * 63: "",
    f"app={'a' * 63}": "",
    f"{'a' * 253}/b": "",
    "A.b_c-D": "",
}

NONE = [
    ",", "app,", ",app", "app,,tier", "=", "=web", "app=web=api", "app===web", "app!web", "!app=web", "!!app", "!",
    "app web", "app in", "app in web", "app in (web", "app in web)", "app in (web api)", "app in (web=api)",
    "app in ((web))", "app in (web),", "app notin", "app=(web)", "app=web)", "app>", "app>x", "app>9999999999999999999",
    "app<-1", "app gt 1", "-app", "app-", "app/", "/app", "a/b/c", "Example.com/app", "-e/app", "e..f/app", "app=-web",
    "app=web.", "app=we b", "app=wéb", "é", "app=a/b", "a\u00a0p", '"app"', "a" * 64, f"app={'a' * 64}",
    f"{'a' * 254}/b", "()", "(app)", "app in (web) tier",
]  # fmt: skip


@pytest.mark.parametrize("text", MEANT)
def test_a_selector_keeps_what_it_means(text: str) -> None:
    selector = Selector.parse(text)
    assert [name for name, labels in OBJECTS.items() if selector.matches(labels)] == MEANT[text].split()
    assert Selector.parse(str(selector)) == selector


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="malformed label"):
        Selector.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("app in (web", "expected ',' or ')', not its end"),
        ("app web", "expected '=' or '==' or '!=' or 'in' or 'notin' or '>' or '<', not 'web'"),
        ("app \x1b", r"or '<', not '\x1b'"),
        ("app,", "expected a key or a value, not its end"),
        ("app in (a b)", "expected ',' or ')', not 'b'"),
        ("Example/app", "malformed label key 'Example/app': expected before '/' a domain"),
        ("app=-", "malformed label value '-': expected letters, digits"),
    ],
)
def test_a_message_says_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(Malformed, match=re.escape(said)):
        Selector.parse(text)


def test_order_and_repetition_mean_nothing() -> None:
    assert Selector.parse("b,a in (y,x,y)") == Selector.parse("a in (x,y), b")


def test_labels_that_are_no_numbers_are_on_neither_side() -> None:
    for value in ("", "x", "1.5", "1_0", "٣", "9" * 40):
        assert not Selector.parse("n>0").matches({"n": value})
        assert not Selector.parse("n<0").matches({"n": value})
    assert Selector.parse("n<0").matches({"n": "-5"})


_keys = st.from_regex(
    r"([a-z0-9]([a-z0-9-]{0,3}[a-z0-9])?\.?[a-z]/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,5}[A-Za-z0-9])?", fullmatch=True
)
_values = st.from_regex(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,5}[A-Za-z0-9])?)?", fullmatch=True)
_requirements = st.one_of(
    st.builds(Requirement, key=_keys, operator=st.sampled_from(["exists", "!"])),
    st.builds(Requirement, key=_keys, operator=st.sampled_from(["=", "==", "!="]), values=st.tuples(_values)),
    st.builds(
        Requirement,
        key=_keys,
        operator=st.sampled_from(["in", "notin"]),
        values=st.lists(_values, min_size=1, max_size=4).map(tuple),
    ),
    st.builds(
        Requirement,
        key=_keys,
        operator=st.sampled_from(["<", ">"]),
        values=st.tuples(st.integers(0, 2**63 - 1).map(str)),
    ),
)


@given(requirements=st.lists(_requirements, max_size=4))
def test_a_selector_parses_back_from_its_text(requirements: list[Requirement]) -> None:
    selector = Selector(requirements=tuple(requirements))
    assert Selector.parse(str(selector)) == selector


@given(text=st.text(st.sampled_from("ain=!(),<> \t-é1")) | st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        selector = Selector.parse(text)
    except Malformed:
        return
    assert Selector.parse(str(selector)) == selector


@pytest.mark.slow
def test_kubectl_takes_refuses_and_keeps_the_same() -> None:
    objects = "".join(
        json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}) + "\n"
        for name, labels in OBJECTS.items()
    )
    with kubectl(require_tool("kubectl")) as real:
        kept = {text: real.keeps(text, objects.encode()) for text in [*MEANT, *NONE]}
    assert kept == {**{text: names.split() for text, names in MEANT.items()}, **dict.fromkeys(NONE)}
