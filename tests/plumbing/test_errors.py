"""Errors: whatever they speak of, each is one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust import errors as porcelain
from plumbing import errors
from plumbing.errors import PlumbingError


def made_of(text: str) -> Iterator[PlumbingError]:
    """An error of each class, each of its subjects being `text`."""
    path = Path("/", text.replace("\0", ""))
    yield errors.Malformed("tag", text, expected="another", where=text)
    yield errors.NotFound.blob(text, path)
    yield errors.NotFound.ref(text, path)
    yield errors.NotFound.name(text, path)
    yield errors.Ambiguous(text, [text, path])
    yield errors.DigestMismatch(text, text, where=path)
    yield errors.RefConflict(text, expected=text, found=text)
    kinds: list[type[errors.RegistryError]] = [errors.RegistryError, *errors.RegistryError.__subclasses__()]
    for kind in kinds:
        yield kind(f"cannot push '{text}'", host=text, codes=[text])
    others: list[type[PlumbingError]] = [errors.StoreError, errors.SourceError, *porcelain.KrustError.__subclasses__()]
    for each in others:
        yield each(f"cannot read '{path}': no such '{text}'")


@given(st.text() | st.text("\n\r\x0b\x1c\x85\u2028\x1b\x9b\u202ea"))
def test_the_message_of_a_fault_is_a_line_without_control_characters(text: str) -> None:
    for error in made_of(text):
        assert str(error).isprintable(), type(error)


def test_several_faults_are_a_line_each() -> None:
    with pytest.raises(porcelain.Faults) as caught:
        porcelain.Faults.check([porcelain.Faults("a\nb", "c"), porcelain.KubeError("d"), porcelain.KubeError("d")])
    assert str(caught.value) == "a\\nb\nc\nd"
