from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.registry.challenge import Challenge, choose, parse

BEARER = 'Bearer realm="https://auth.test/token",service="a, b",scope="repository:app:pull,push"'
FIELDS = {"realm": "https://auth.test/token", "service": "a, b", "scope": "repository:app:pull,push"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([BEARER], [("bearer", FIELDS)]),
        (['bEARer REALM = x , Service= "y"'], [("bearer", {"realm": "x", "service": "y"})]),
        (['Basic realm="a \\"quoted\\" \\\\ one"'], [("basic", {"realm": 'a "quoted" \\ one'})]),
        (
            ['Negotiate, NTLM TlRMTVNTUAAC==, Basic realm="x"'],
            [("negotiate", {}), ("ntlm", {}), ("basic", {"realm": "x"})],
        ),
        (['Basic realm="a"', BEARER], [("basic", {"realm": "a"}), ("bearer", FIELDS)]),
        (
            ['Digest realm="a, b", nonce="Bearer realm=\\"x\\"", Bearer realm="y"'],
            [("digest", {"realm": "a, b", "nonce": 'Bearer realm="x"'}), ("bearer", {"realm": "y"})],
        ),
        (['Bearer realm="first",realm="second"'], [("bearer", {"realm": "first"})]),
        (['Bearer realm="never closed'], [("bearer", {"realm": "never closed"})]),
        ([",,  ,"], []),
        ([""], []),
        (["Bearer"], [("bearer", {})]),
        (['\x00\xff "x" Bearer realm=y'], [("x", {}), ("bearer", {"realm": "y"})]),
    ],
)
def test_challenges_are_read_as_rfc_9110_has_them(
    headers: list[str], expected: list[tuple[str, dict[str, str]]]
) -> None:
    assert [(c.scheme, dict(c.fields)) for c in parse(headers)] == expected


@pytest.mark.parametrize(
    ("schemes", "chosen"),
    [(["basic", "bearer"], "bearer"), (["basic"], "basic"), (["negotiate", "ntlm", "digest"], None), ([], None)],
)
def test_bearer_comes_before_basic_and_nothing_else_is_ours(schemes: list[str], chosen: str | None) -> None:
    found = choose(map(Challenge, schemes))
    assert (found.scheme if found else None) == chosen


TOKENS = st.text("abcdefgXYZ019-._~", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@st.composite
def challenges(draw: st.DrawFn) -> Challenge:
    names = draw(st.lists(TOKENS.map(str.lower), max_size=3, unique=True))
    return Challenge(
        draw(TOKENS).lower(),
        {name: draw(st.text(st.characters(min_codepoint=32, max_codepoint=126))) for name in names},
    )


def written(challenge: Challenge) -> str:
    fields = (
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"'))
        for name, value in challenge.fields.items()
    )
    return f"{challenge.scheme} {', '.join(fields)}".rstrip()


@given(st.lists(challenges()))
def test_what_was_written_is_read_back_in_one_header_or_in_many(them: list[Challenge]) -> None:
    assert parse(map(written, them)) == them
    assert parse([", ".join(map(written, them))]) == them


@given(st.text())
def test_nothing_at_all_breaks_it(text: str) -> None:
    assert all(challenge.scheme for challenge in parse([text]))
