from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.oci.document import Fields
from plumbing.oci.platform import Platform
from tests.strategies import platforms


@given(platforms())
def test_a_platform_parses_back_from_its_text(platform: Platform) -> None:
    assert Platform.parse(str(platform)) == platform


@given(platforms(rest=True))
def test_a_platform_parses_back_from_json_with_the_fields_that_it_does_not_know(platform: Platform) -> None:
    assert Platform.from_json(Fields(platform.to_json(), "platform")) == platform


@pytest.mark.parametrize(
    "text",
    [
        *("", "linux", "linux/", "/amd64", "linux//v7", "linux/arm/", "linux/arm/v7/x"),
        *("linux/arm v7", "linux/amd64\n", "../..", "-/-", "linux/\udcff", "linux/\0", "linux/é"),
    ],
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"expected os/architecture\[/variant\]$"):
        Platform.parse(text)


@given(st.text())
def test_any_text_is_a_platform_or_malformed(text: str) -> None:
    try:
        assert str(Platform.parse(text)) == text
    except Malformed:
        return


@pytest.mark.parametrize(
    ("host", "image", "runs"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64/v1", "linux/amd64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm/v6", "linux/arm", False),
        ("linux/amd64", "windows/amd64", False),
        ("linux/amd64", "linux/386", False),
        ("linux/amd64", "linux/amd64/v3", False),
    ],
)
def test_variants_that_go_without_saying(host: str, image: str, runs: bool) -> None:
    assert Platform.parse(host).runs(Platform.parse(image)) is runs


def test_what_a_platform_has_beside_its_words_does_not_decide() -> None:
    windows = Platform(os="windows", architecture="amd64", rest={"os.version": "10.0.20348.1"})
    assert Platform.parse("windows/amd64").runs(windows)


def test_dockers_empty_variant_is_none() -> None:
    fields = Fields({"os": "linux", "architecture": "amd64", "variant": ""}, "platform")
    assert Platform.from_json(fields) == Platform.parse("linux/amd64")


@pytest.mark.parametrize(
    "wrong", [{"os": "linux"}, {"os": 1, "architecture": "amd64"}, {"os": "", "architecture": "a"}]
)
def test_a_platform_without_its_words_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        Platform.from_json(Fields(wrong, "platform"))
