"""What several commands take, and what they say to what they do not."""

from __future__ import annotations

import pytest

from tests.krust.commands.conftest import Krust


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("build --release", "'--release'; krust builds so, unless --profile names another profile; try"),
        ("build --no-psh", "'--no-psh'; did you mean '--no-push'; cargo's own follow '--'; try 'krust build --help'"),
        ("resolve -f x -F", "'-F'; cargo's own follow '--'; try 'krust resolve --help'"),
    ],
)
def test_an_option_of_cargos_is_told_where_it_belongs(krust: Krust, words: str, said: str) -> None:
    refused = krust(*words.split())
    assert (refused.code, refused.stdout) == (2, "")
    assert f"no such option {said}" in refused.fault
