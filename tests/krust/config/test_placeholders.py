from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust.cargo.git import Git
from krust.config.placeholders import Facts, expand
from krust.errors import SettingError

_PLACE = "in 'KRUST_TAGS'"


def facts(**env: str) -> Facts:
    return Facts(version="1.2.3", git=Git(Path("/nowhere"), {}), env=env)


def escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("v{version}", "v1.2.3"),
        ("{version}{version}", "1.2.31.2.3"),
        ("{{version}}", "{version}"),
        ("{{{version}}}", "{1.2.3}"),
        ("{env.A}-{env.B}", "a-"),
        ('{{"port": {env.PORT}}}', '{"port": 80}'),
        ("$HOME `ls` $(ls)", "$HOME `ls` $(ls)"),
    ],
)
def test_placeholders_are_filled_in(text: str, expected: str) -> None:
    assert expand(text, facts(A="a", B="", PORT="80"), _PLACE) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "{versoin}",
            "cannot fill in '{versoin}' in 'KRUST_TAGS': no such placeholder; there are {version}, {git.commit}",
        ),
        ("{}", "cannot fill in '{}' in 'KRUST_TAGS': no such placeholder"),
        ("{env.}", "no such placeholder"),
        ("{ version }", "no such placeholder"),
        ("{version!r}", "no such placeholder"),
        ("{env.NO}", "cannot fill in '{env.NO}' in 'KRUST_TAGS': the environment has no variable 'NO'; set it"),
        ("{git.tag}", "cannot fill in '{git.tag}' in 'KRUST_TAGS': cannot tell git's commit in '/nowhere': "),
        ("a{version", "cannot read 'a{version' in 'KRUST_TAGS': '{' stands alone; a brace is written twice: {{ or }}"),
        ("version}", "'}' stands alone"),
        ("{{version}", "'}' stands alone"),
    ],
)
def test_what_cannot_be_filled_in_says_where_and_what_could(text: str, fault: str) -> None:
    with pytest.raises(SettingError) as caught:
        expand(text, facts(), _PLACE)
    assert fault in str(caught.value)


@given(st.text())
def test_any_text_can_be_written(text: str) -> None:
    assert expand(escaped(text), facts(), _PLACE) == text


@given(st.text())
def test_what_is_filled_in_is_not_looked_into(value: str) -> None:
    assert expand("<{env.X}>", facts(X=value), _PLACE) == f"<{value}>"


@given(st.lists(st.one_of(st.text().map(escaped), st.just("{version}"), st.just("{env.X}"))))
def test_each_part_is_filled_in_by_itself(parts: list[str]) -> None:
    one = [expand(part, facts(X="{version}"), _PLACE) for part in parts]
    assert expand("".join(parts), facts(X="{version}"), _PLACE) == "".join(one)


@given(st.text(alphabet="{}abc.env"))
def test_a_text_is_filled_in_or_refused(text: str) -> None:
    with suppress(SettingError):
        assert expand(text, facts(), _PLACE).count("{") <= text.count("{{")
