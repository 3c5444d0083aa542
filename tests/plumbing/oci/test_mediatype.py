from __future__ import annotations

import pytest
from hypothesis import given

from plumbing.errors import Malformed
from plumbing.oci import mediatype
from tests.strategies import media_types


@given(media_types())
def test_a_media_type_is_itself(media_type: str) -> None:
    assert mediatype.check(media_type) == media_type


@pytest.mark.parametrize(
    "text", ["", "a", "a/", "/b", "a/b/c", "a b/c", "a/b;q=1", "a/b\n", ".a/b", "é/b", f"a/{'b' * 128}", "a/\udcff"]
)
def test_what_is_no_media_type_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"expected type/subtype$"):
        mediatype.check(text)


def test_dockers_types_have_ocis() -> None:
    docker = {value for name, value in vars(mediatype).items() if name.startswith("DOCKER_") and "FOREIGN" not in name}
    assert len({mediatype.as_oci(media_type) for media_type in docker}) == len(docker) == 5
    for media_type in docker:
        oci = mediatype.as_oci(media_type)
        assert oci.startswith("application/vnd.oci.image."), media_type
        assert mediatype.LAYERS.get(oci) == mediatype.LAYERS.get(media_type)


@given(media_types())
def test_a_type_of_oci_stays(media_type: str) -> None:
    once = mediatype.as_oci(media_type)
    assert mediatype.as_oci(once) == once
    assert once == media_type or media_type.startswith("application/vnd.docker.")
