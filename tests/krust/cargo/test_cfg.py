from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust.cargo import cfg
from plumbing.errors import Malformed

_FACTS = frozenset(['target_os="linux"', 'target_arch="x86_64"', "unix", 'target_feature="crt-static"'])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("cfg(unix)", True),
        ("cfg(windows)", False),
        ('cfg(target_os = "linux")', True),
        ('cfg(target_os="macos")', False),
        ("cfg(not(unix))", False),
        ("cfg(not(windows))", True),
        ('cfg(all(unix, target_arch = "x86_64"))', True),
        ('cfg(all(unix, target_arch = "arm",))', False),
        ('cfg(any(windows, all(unix, not(target_arch = "arm"))))', True),
        ("cfg(all())", True),
        ("cfg(any())", False),
        ("cfg(true)", True),
        ("cfg(false)", False),
        (" cfg( unix ) ", True),
        ("cfg(r#unix)", True),
    ],
)
def test_an_expression_holds_or_not(expression: str, value: bool) -> None:
    assert cfg.holds(expression, _FACTS) is value


@pytest.mark.parametrize(
    "expression",
    [
        *("", "cfg", "cfg(", "cfg()", "unix", "cfg(unix) x", "cfg(unix windows)", "cfg(=)", 'cfg("unix")'),
        *("cfg(a = b)", "cfg(a = )", "cfg(a = 'b')", "cfg(not(a, b))", "cfg(a-b)"),
        "cfg(" + "not(" * 100 + "a" + ")" * 101,
    ],
)
def test_what_is_no_expression_is_malformed(expression: str) -> None:
    with pytest.raises(Malformed, match="cfg expression"):
        cfg.holds(expression, _FACTS)


@given(st.text(alphabet='cfg(),="anyltux \n', max_size=40))
def test_any_text_has_a_value_or_is_malformed(text: str) -> None:
    for expression in (text, f"cfg({text})"):
        with contextlib.suppress(Malformed):
            assert cfg.holds(expression, _FACTS) in (True, False)
