"""Auth files: which key is meant, what an entry holds, and what is said of those that cannot be understood."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.registry.authfile import AuthFile, from_json, to_json
from plumbing.registry.credential import Credential
from tests.secrets import secret

SECRET = secret("a file of credentials")


def auth(username: str, password: str = SECRET) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def one_entry(auth: str) -> str:
    return json.dumps({"auths": {"a.io": {"auth": auth}}})


def auths(*keys: str) -> bytes:
    """A file in which the user name of each entry is its key, without what no user name may have."""
    return json.dumps({"auths": {key: {"auth": auth(key.replace(":", "%"))} for key in keys}}).encode()


HUB = "https://index.docker.io/v1/"


@pytest.mark.parametrize(
    ("keys", "host", "found"),
    [
        (["ghcr.io"], "ghcr.io", "ghcr.io"),
        (["https://ghcr.io", "ghcr.io"], "ghcr.io", "ghcr.io"),
        (["https://ghcr.io"], "ghcr.io", "https://ghcr.io"),
        (["http://ghcr.io/v2/"], "ghcr.io", "http://ghcr.io/v2/"),
        (["ghcr.io/v1/"], "ghcr.io", "ghcr.io/v1/"),
        (["ghcr.io"], "ghcr.io:5000", None),
        (["localhost:5000"], "localhost:5000", "localhost:5000"),
        (["localhost:5000"], "localhost:5001", None),
        (["notghcr.io", "ghcr.io.evil.example"], "ghcr.io", None),
        (["evil.example/ghcr.io"], "ghcr.io", None),
        (["docker.io", HUB], "docker.io", HUB),
        (["docker.io"], "registry-1.docker.io", "docker.io"),
        (["index.docker.io"], "docker.io", "index.docker.io"),
        (["https://registry-1.docker.io/v2/"], "docker.io", "https://registry-1.docker.io/v2/"),
        ([HUB], "auth.docker.io", None),
        ([], "ghcr.io", None),
    ],
)
def test_dockers_keys(keys: list[str], host: str, found: str | None) -> None:
    credential = AuthFile.docker(auths(*keys), "f").find(host, "team/app")
    assert (credential and credential.username) == (found and found.replace(":", "%"))


@pytest.mark.parametrize(
    ("keys", "repository", "found"),
    [
        (["ghcr.io", "ghcr.io/team", "ghcr.io/team/app"], "team/app", "ghcr.io/team/app"),
        (["ghcr.io", "ghcr.io/team"], "team/app", "ghcr.io/team"),
        (["ghcr.io", "ghcr.io/team"], "team", "ghcr.io/team"),
        (["ghcr.io", "ghcr.io/team/app"], "team/other", "ghcr.io"),
        (["ghcr.io/tea"], "team/app", None),
        (["ghcr.io/team"], "", None),
        (["ghcr.io/team", "ghcr.io"], "", "ghcr.io"),
        (["https://ghcr.io/v2/"], "team/app", "https://ghcr.io/v2/"),
    ],
)
def test_podmans_keys_the_longest_path_first(keys: list[str], repository: str, found: str | None) -> None:
    credential = AuthFile.podman(auths(*keys), "f").find("ghcr.io", repository)
    assert (credential and credential.username) == (found and found.replace(":", "%"))


def test_podmans_keys_know_the_names_of_docker_hub() -> None:
    file = AuthFile.podman(auths("docker.io/library", "docker.io", HUB), "f")
    assert file.find("docker.io", "library/alpine") == credential("docker.io/library")
    assert file.find("index.docker.io", "me/app") == credential(HUB.replace(":", "%"))


def credential(username: str, password: str = SECRET) -> Credential:
    return Credential(username=username, password=password, source="f")


def test_an_empty_entry_hides_none_that_is_not() -> None:
    file = AuthFile.docker(json.dumps({"auths": {"a.io": {}, "https://a.io": {"auth": auth("me")}}}).encode(), "f")
    assert file.find("a.io", "") == credential("me")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": auth("me", "a:b:c")}, credential("me", "a:b:c")),
        ({"auth": base64.b64encode(b"me:pw\0\0").decode()}, credential("me", "pw")),
        ({"auth": auth("me").rstrip("=")}, credential("me")),
        ({"auth": auth("me")[:8] + "\r\n" + auth("me")[8:]}, credential("me")),
        ({"auth": auth("me"), "username": "you", "password": "no"}, credential("me")),
        ({"username": "me", "password": SECRET}, credential("me")),
        ({"auth": "", "username": "me", "password": SECRET, "email": "a@b.c"}, credential("me")),
        ({"auth": auth("_json_key", '{"a": 1}')}, credential("_json_key", '{"a": 1}')),
        ({"auth": auth("me", "")}, credential("me", "")),
        ({"identitytoken": "abc"}, Credential(identity_token="abc", source="f")),
        ({"auth": auth("00000000", ""), "identitytoken": "abc"},
         Credential(username="00000000", identity_token="abc", source="f")),
        ({"registrytoken": "abc"}, Credential(registry_token="abc", source="f")),
        ({}, None),
        ({"auth": ""}, None),
        ({"auth": auth("", "")}, None),
        ({"auth": None, "identitytoken": ""}, None),
        ({"email": "a@b.c"}, None),
    ],
)  # fmt: skip
def test_what_an_entry_holds(entry: dict[str, str], expected: Credential | None) -> None:
    assert from_json(entry, "f", "auths.a") == expected


@pytest.mark.parametrize("token", [{}, {"identitytoken": "abc"}])
@pytest.mark.parametrize(("username", "password"), [("\ud800", "x"), ("me", "\udfff")])
def test_what_no_request_could_hold_is_malformed(username: str, password: str, token: dict[str, str]) -> None:
    with pytest.raises(Malformed, match="UTF-8") as caught:
        from_json({"username": username, "password": password, **token}, "f", "auths.a")
    assert str(caught.value).isprintable()


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
names = words.map(lambda text: text.replace(":", "")).filter(bool)
tokens = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@given(
    st.one_of(
        st.builds(Credential, username=names, password=words, source=st.just("f")),
        st.builds(Credential, username=st.none() | names, identity_token=tokens, source=st.just("f")),
        st.builds(Credential, username=names, password=words.filter(bool), registry_token=tokens, source=st.just("f")),
    )
)
def test_an_entry_is_read_back_as_it_was_written(credential: Credential) -> None:
    assert from_json(json.loads(json.dumps(to_json(credential))), "f", "auths.a") == credential


@given(st.binary(max_size=200))
def test_any_bytes_are_understood_or_malformed(raw: bytes) -> None:
    for parse in (AuthFile.docker, AuthFile.podman, AuthFile.flat):
        with contextlib.suppress(Malformed):
            assert parse(raw, "f").find("ghcr.io", "a/b") is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (f'{{"auths": {{"a.io": {{"auth": "{SECRET}"}}}},\n ]', "in 'line 2, column 2': expected JSON"),
        (f'["{SECRET}"]', "expected a JSON object"),
        (f'{{"auths": "{SECRET}"}}', "in 'auths': expected an object"),
        (f'{{"auths": {{"a.io": "{SECRET}"}}}}', "in 'auths.a.io': expected an object"),
        (f'{{"auths": {{"a.io": {{"auth": ["{SECRET}"]}}}}}}', "in 'auths.a.io.auth': expected a string"),
        (f'{{"auths": {{"a.io": {{"auth": "{SECRET}"}}}}}}', "in 'auths.a.io.auth': expected base64 of user:password"),
        (one_entry(base64.b64encode(SECRET.encode()).decode()), "in 'auths.a.io.auth': expected base64 of user"),
        (one_entry(auth("", SECRET)), "expected a user name"),
        (one_entry(auth("me", f"{SECRET}\r\nX: y")), "without control characters"),
        (f'{{"auths": {{"a.io": {{"registrytoken": "{SECRET}\\r\\nX: y"}}}}}}', "tokens of printable ASCII"),
        (f'{{"credHelpers": {{"a.io": ["{SECRET}"]}}}}', "in 'credHelpers.a.io': expected a string"),
        (f'{{"credsStore": ["{SECRET}"]}}', "in 'credsStore': expected a string"),
        (f'{{"a": NaN, "b": "{SECRET}"}}', "expected JSON"),
        ("[" * 100_000, "of a sensible size"),
        ('{"a": ' + "9" * 5000 + "}", "of a sensible size"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_an_error_that_says_where_and_not_what(raw: str, said: str) -> None:
    def read() -> None:
        file = AuthFile.docker(raw.encode(), "/home/me/.docker/config.json")
        file.helpers_of("a.io")
        file.find("a.io", "")

    with pytest.raises(Malformed) as caught:
        read()
    assert said in str(caught.value)
    assert "/home/me/.docker/config.json" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_malformed_entry_of_another_host_is_nobodys_trouble() -> None:
    file = AuthFile.docker(json.dumps({"auths": {"b.io": {"auth": "%"}, "a.io": {"auth": auth("me")}}}).encode(), "f")
    assert file.find("a.io", "") == credential("me")


@pytest.mark.parametrize("raw", [b"", b"\n", b"{}", b'{"auths": null, "credsStore": ""}', b'{"psFormat": "table"}'])
def test_a_file_without_entries_has_none(raw: bytes) -> None:
    file = AuthFile.docker(raw, "f")
    assert file.find("a.io", "") is None
    assert file.helpers_of("a.io") == ()


@pytest.mark.parametrize(
    ("value", "host", "helpers"),
    [
        ({"credsStore": "all"}, "a.io", ("all",)),
        ({"credsStore": "all", "credHelpers": {"a.io": "own"}}, "a.io", ("own", "all")),
        ({"credsStore": "all", "credHelpers": {"a.io": "own"}}, "b.io", ("all",)),
        ({"credsStore": "all", "credHelpers": {"a.io": ""}}, "a.io", ()),
        ({"credsStore": "all", "credHelpers": {"a.io": "all"}}, "a.io", ("all",)),
        ({"credHelpers": {"https://a.io/v2/": "own"}}, "a.io", ("own",)),
        ({"credHelpers": {"index.docker.io": "own"}}, "docker.io", ("own",)),
    ],
)
def test_the_helper_of_a_host_comes_before_the_one_for_all(value: object, host: str, helpers: tuple[str, ...]) -> None:
    assert AuthFile.docker(json.dumps(value).encode(), "f").helpers_of(host) == helpers


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"auths": {}, "credsStore": "x"}, "in 'credsStore': expected no key but 'auths' here"),
        ({"auths": {"a.io": {"auth": auth("me"), "password": SECRET}}}, "in 'auths.a.io.password': expected no key"),
    ],
)
def test_the_variable_is_read_strictly(value: object, said: str) -> None:
    with pytest.raises(Malformed) as caught:
        AuthFile.variable(json.dumps(value), "DOCKER_AUTH_CONFIG")
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("key", ["\x1b[31m", "\uf698", "a" * 5000])
def test_a_key_is_shown_on_one_line_of_a_sensible_length(key: str) -> None:
    for raw in (json.dumps({key: {}}), json.dumps({"auths": {key: 1}}), json.dumps({"auths": {key: {key: 1}}})):
        with pytest.raises(Malformed) as caught:
            AuthFile.variable(raw, "DOCKER_AUTH_CONFIG")
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500


def test_a_credential_never_shows_its_secret() -> None:
    shown = Credential(username="me", password=SECRET, identity_token=SECRET, registry_token=SECRET, source="f")
    assert SECRET not in f"{shown!r} {shown} {[shown]}"
    assert str(shown) == "me from f"
    for fields in ({"username": "a:b", "password": SECRET}, {"identity_token": f"{SECRET} "}):
        with pytest.raises(Malformed) as caught:
            Credential(**fields, source="f")
        assert SECRET not in str(caught.value)
