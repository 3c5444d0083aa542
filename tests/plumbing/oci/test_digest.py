from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.oci.digest import Digest
from tests.strategies import digests

HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_FORM = "expected sha256: and 64, or sha512: and 128, lower-case hex digits"


@given(digests())
def test_a_digest_parses_back_from_its_text(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest


@given(st.binary())
def test_a_digest_is_of_bytes(data: bytes) -> None:
    assert str(Digest.of(data)) == f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_hasher_is_of_the_digests_own_algorithm(algorithm: str) -> None:
    digest = Digest(algorithm, hashlib.new(algorithm, b"data").hexdigest())
    hasher = digest.hasher()
    hasher.update(b"data")
    assert Digest.ending(hasher) == digest


HOSTILE = {
    "nothing": "",
    "no colon": f"sha256{HEX}",
    "no hex": "sha256:",
    "no algorithm": f":{HEX}",
    "hex alone": HEX,
    "upper case": f"sha256:{HEX.upper()}",
    "one upper-case digit": f"sha256:{HEX[:-1]}F",
    "upper-case algorithm": f"SHA256:{HEX}",
    "short": f"sha256:{HEX[:-1]}",
    "long": f"sha256:{HEX}0",
    "the other's length": f"sha512:{HEX}",
    "a path": "sha256:../../../../etc/passwd",
    "a path of the right length": "sha256:" + "../" * 21 + "x",
    "a path as the algorithm": f"../sha256:{HEX}",
    "a newline at the end": f"sha256:{HEX}\n",
    "a newline within": f"sha256:{HEX[:63]}\n",
    "a space before": f" sha256:{HEX}",
    "a zero byte": f"sha256:{HEX[:63]}\0",
    "two colons": f"sha256:sha256:{HEX}",
    "another algorithm": "md5:d41d8cd98f00b204e9800998ecf8427e",
    "an algorithm of the right length": f"sha3_256:{HEX}",
    "digits of another script": "sha256:" + "٠" * 64,
    "a tag": "latest",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=f"^malformed digest '.*': {_FORM}$"):
        Digest.parse(text)


@pytest.mark.parametrize(
    ("algorithm", "hexadecimal"), [("sha256", ".."), ("..", HEX), ("", HEX), ("sha256", HEX.upper())]
)
def test_no_way_in_goes_round_the_check(algorithm: str, hexadecimal: str) -> None:
    with pytest.raises(Malformed, match="malformed digest"):
        Digest(algorithm, hexadecimal)


@given(st.text())
def test_any_text_is_a_digest_or_malformed(text: str) -> None:
    try:
        assert str(Digest.parse(text)) == text
    except Malformed:
        return


def test_a_message_shows_no_control_characters() -> None:
    with pytest.raises(Malformed) as caught:
        Digest.parse("\x1b[31m\n")
    assert str(caught.value) == rf"malformed digest '\x1b[31m\n': {_FORM}"
