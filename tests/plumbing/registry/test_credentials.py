"""Credentials: real files in the order of their places, and real helpers, the bad ones too."""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import stat
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from plumbing.errors import Malformed, PlumbingError
from plumbing.registry.credential import Credential, CredentialError
from plumbing.registry.credentials import Credentials, Places, run_program
from tests.secrets import secret

SECRET = secret("a helper's")
HOST = "registry.example"

KEEPER = """\
import json, pathlib, sys
keep, verb, said = pathlib.Path(__file__ + ".kept"), sys.argv[1], sys.stdin.read()
assert len(sys.argv) == 2
kept = json.loads(keep.read_text()) if keep.exists() else {}
if verb == "get" and said not in kept:
    sys.exit(print("credentials not found in native keychain") or 1)
elif verb == "get":
    print(json.dumps({"ServerURL": said, "Username": kept[said][0], "Secret": kept[said][1]}))
elif verb == "store":
    value = json.loads(said)
    kept[value["ServerURL"]] = [value["Username"], value["Secret"]]
elif verb == "erase":
    del kept[said]
keep.write_text(json.dumps(kept))
"""
"""A whole credential helper, on a file beside it."""

Written = Callable[[str, str], Path]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Those of a person who has nothing yet."""
    environment = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "PATH": str(tmp_path / "bin")}
    return Places.of(environment, home=tmp_path / "home", uid=1000, linux=True)


@pytest.fixture
def helper(tmp_path: Path) -> Written:
    """Writes docker-credential-NAME, in Python, into the only folder of `places.search_path`."""

    def write(name: str, source: str) -> Path:
        path = tmp_path / "bin" / f"docker-credential-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable} -I\n{source}")
        path.chmod(0o755)
        return path

    return write


def auths(**users: str) -> str:
    """A file with an entry for HOST of the user `me`, and for each other host of its user."""
    pairs = {HOST if host == "me" else host: user for host, user in users.items()}
    return json.dumps({"auths": {host: {"auth": packed(user)} for host, user in pairs.items()}})


def packed(user: str) -> str:
    return base64.b64encode(f"{user}:{SECRET}".encode()).decode()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def who(places: Places, repository: str = "") -> str | None:
    found = Credentials(places).find(HOST, repository)
    return found.username if found else None


# -------------------------------------------------------------------------------------------------------- the places


def test_the_first_place_with_an_entry_wins_and_one_without_hides_nothing(places: Places, tmp_path: Path) -> None:
    file = tmp_path / "auth-file"
    full = replace(places, docker_auth_config=auths(me="variable"), registry_auth_file=file)
    runtime, config = places.podman
    assert places.dockercfg
    write(places.dockercfg, json.dumps({HOST: {"auth": packed("dockercfg")}}))
    write(config, auths(me="config"))
    write(runtime, auths(me="runtime"))
    write(places.docker_config, auths(me="docker"))
    write(file, auths(me="file"))
    given = Credential.given("given", SECRET)
    assert Credentials(full, given={HOST: given}).find(HOST) == given
    assert Credentials(full, given={"other.example": given}).find(HOST) != given
    assert who(full) == "variable"
    full = replace(full, docker_auth_config=auths(**{"other.example": "x"}))
    for path, user in (
        (file, "file"),
        (places.docker_config, "docker"),
        (runtime, "runtime"),
        (config, "config"),
        (places.dockercfg, "dockercfg"),
    ):
        assert who(full) == user
        path.write_text("{}")
    assert who(full) is None
    assert who(places) is None


@pytest.mark.parametrize(
    ("environment", "linux", "expected"),
    [
        ({}, True, ["/h/.docker/config.json", "/run/containers/7/auth.json", "/h/.config/containers/auth.json"]),
        ({}, False, ["/h/.docker/config.json", "/h/.config/containers/auth.json"]),
        ({"DOCKER_CONFIG": "/d", "XDG_RUNTIME_DIR": "/r", "XDG_CONFIG_HOME": "/c"}, True,
         ["/d/config.json", "/r/containers/auth.json", "/c/containers/auth.json"]),
        ({"DOCKER_CONFIG": "", "REGISTRY_AUTH_FILE": "", "DOCKER_AUTH_CONFIG": ""}, False,
         ["/h/.docker/config.json", "/h/.config/containers/auth.json"]),
        ({"DOCKER_AUTH_CONFIG": SECRET, "REGISTRY_AUTH_FILE": "/f"}, False,
         ["DOCKER_AUTH_CONFIG", "/f", "/h/.docker/config.json", "/h/.config/containers/auth.json"]),
    ],
)  # fmt: skip
def test_the_places_are_dockers_and_podmans(environment: dict[str, str], linux: bool, expected: list[str]) -> None:
    places = Places.of(environment, home=Path("/h"), uid=7, linux=linux)
    assert [place.strip("'") for place in str(places).split(", ")] == [*expected, "/h/.dockercfg"]
    assert SECRET not in repr(places)
    said = str(Credentials(places).missing(HOST))
    assert said.startswith("not logged in to 'registry.example': nothing for it in ")
    assert said.endswith("; try 'krust login registry.example'")


def test_a_credential_says_where_it_was_found(places: Places, helper: Written) -> None:
    write(places.docker_config, auths(me="me"))
    assert str(Credentials(places).find(HOST)) == f"me from {places.docker_config}"
    write(places.docker_config, json.dumps({"credsStore": "keeper"}))
    helper("keeper", 'print(\'{"ServerURL": "x", "Username": "you", "Secret": "s"}\')')
    assert str(Credentials(places).find(HOST)) == f"you from docker-credential-keeper, named in {places.docker_config}"


def test_podmans_file_may_be_about_a_namespace(places: Places) -> None:
    write(places.podman[0], auths(**{HOST: "all", f"{HOST}/team": "team"}))
    assert who(places, "team/app") == "team"
    assert who(places, "other/app") == "all"


def test_a_malformed_file_is_an_error_though_a_later_one_has_an_entry(places: Places) -> None:
    write(places.docker_config, f'{{"auths": {{"{HOST}": {{"auth": "{SECRET}')
    write(places.podman[0], auths(me="me"))
    with pytest.raises(Malformed, match=r"malformed auth file '.*config\.json' in 'line 1, column \d+'") as caught:
        Credentials(places).find(HOST)
    assert SECRET not in str(caught.value)


def test_a_folder_in_a_files_place_is_an_error_that_names_it(places: Places) -> None:
    places.docker_config.mkdir(parents=True)
    with pytest.raises(CredentialError, match=r"cannot read '.*config\.json': is a directory; "):
        Credentials(places).find(HOST)


def test_a_file_that_may_not_be_read_is_passed_over_and_named(places: Places) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    write(places.docker_config, auths(me="me")).chmod(0)
    write(places.podman[0], auths(me="podman"))
    assert who(places) == "podman"
    assert "config.json' (which may not be read)" in str(Credentials(places).missing(HOST))


# ------------------------------------------------------------------------------------------------------- the helpers


def test_a_helper_is_asked_and_where_it_has_nothing_the_file_is(places: Places, helper: Written) -> None:
    helper("own", 'import sys; sys.exit(print("credentials not found in native keychain") or 1)')
    helper("all", KEEPER)
    value = {**json.loads(auths(me="file")), "credsStore": "all", "credHelpers": {HOST: "own"}}
    write(places.docker_config, json.dumps(value))
    assert who(places) == "file"
    (Path(places.search_path) / "docker-credential-all.kept").write_text(json.dumps({HOST: ["kept", SECRET]}))
    assert who(places) == "kept"


@pytest.mark.parametrize("server", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_a_helper_is_asked_by_each_name_of_docker_hub(places: Places, helper: Written, server: str) -> None:
    kept = helper("keeper", KEEPER).with_name("docker-credential-keeper.kept")
    kept.write_text(json.dumps({server: ["me", SECRET]}))
    write(places.docker_config, '{"credsStore": "keeper"}')
    found = Credentials(places).find("docker.io", "library/alpine")
    assert found
    assert found.password == SECRET


def test_a_helpers_token_user_is_an_identity_token(places: Places, helper: Written) -> None:
    helper("acr", 'print(\'{"ServerURL": "x", "Username": "<token>", "Secret": "abc"}\')')
    write(places.docker_config, '{"credsStore": "acr"}')
    found = Credentials(places).find(HOST)
    assert found
    assert (found.username, found.password, found.identity_token) == (None, None, "abc")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (f"import sys; print('{SECRET}'); print('{SECRET}', file=sys.stderr); sys.exit(3)", "exit 3; see what it says"),
        (f"import os, signal; print('{SECRET}', flush=True); os.kill(os.getpid(), signal.SIGSEGV)", "exit -11; see"),
        (f"print('{SECRET}')", "its answer has no Username and Secret in JSON; see"),
        (f"print('[\"{SECRET}\"]')", "its answer has no Username and Secret in JSON; see"),
        (f'print(\'{{"Username": "me", "Secret": ["{SECRET}"]}}\')', "a Secret that is no string; see"),
        (f'print(\'{{"Username": "", "Secret": "{SECRET}"}}\')', "expected a user name"),
        (f"import sys; sys.stdout.buffer.write(b'\\xff{SECRET}')", "its answer has no Username and Secret in JSON"),
        (f"while True: print('{SECRET}' * 1000)", "it says more than 1048576 bytes; it may be another program"),
    ],
    ids=["fails", "dies", "garbage", "list", "no string", "no user", "no text", "floods"],
)
def test_a_bad_helper_is_an_error_that_names_it_and_not_what_it_said(
    places: Places, helper: Written, capfd: pytest.CaptureFixture[str], source: str, said: str
) -> None:
    helper("bad", source)
    write(places.docker_config, '{"credsStore": "bad"}')
    with pytest.raises(PlumbingError) as caught:
        Credentials(places).find(HOST)
    assert "docker-credential-bad" in str(caught.value)
    assert str(places.docker_config) in str(caught.value)
    assert said in str(caught.value)
    assert SECRET not in f"{caught.value!r} {capfd.readouterr()}"


def test_a_helper_that_hangs_is_ended_with_its_children(helper: Written, tmp_path: Path) -> None:
    source = """\
import subprocess, pathlib, time
child = subprocess.Popen(["sleep", "1000"])
pathlib.Path(__file__ + ".pid").write_text(str(child.pid))
time.sleep(1000)
"""
    pid = helper("slow", source).with_name("docker-credential-slow.pid")
    began = time.monotonic()
    with pytest.raises(CredentialError, match=r"^not done after 1 s; see what 'docker-credential-slow list' does$"):
        run_program("docker-credential-slow", "get", b"x", search_path=str(tmp_path / "bin"), seconds=1)
    assert time.monotonic() - began < 10
    assert _gone(int(pid.read_text()))


def _gone(pid: int) -> bool:
    """Whether it has ended; whoever inherits it may take a moment to notice, so a zombie counts."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_a_helper_that_reads_nothing_and_one_that_reads_late_are_both_served(helper: Written, tmp_path: Path) -> None:
    helper("deaf", "print('deaf')")
    helper("late", "import sys, time; print('x' * 300000, flush=True); time.sleep(0.2); print(len(sys.stdin.read()))")
    path = str(tmp_path / "bin")
    assert run_program("docker-credential-deaf", "get", b"x" * 300000, search_path=path).out == b"deaf\n"
    assert run_program("docker-credential-late", "get", b"x" * 300000, search_path=path).out.endswith(b"\n300000\n")


@pytest.mark.parametrize("name", ["../evil", "a/b", "a b", "a;b", "é", "a\n", "$(x)"])
def test_a_helpers_name_is_no_path_and_no_shell(places: Places, name: str) -> None:
    write(places.docker_config, json.dumps({"credsStore": name}))
    with pytest.raises(CredentialError, match=r"cannot run credential helper '.*': its name may have letters"):
        Credentials(places).find(HOST)


def test_a_helper_that_is_not_installed_is_an_error_that_says_who_wants_it(places: Places) -> None:
    write(places.docker_config, '{"credsStore": "desktop.exe"}')
    with pytest.raises(CredentialError) as caught:
        Credentials(places).find(HOST)
    assert str(caught.value) == (
        f"cannot get the credential for '{HOST}' by 'docker-credential-desktop.exe', "
        f"named in '{places.docker_config}': "
        "no such program in PATH; install it, or take its name out of that file"
    )


def test_a_helper_is_never_taken_from_the_working_directory(
    places: Places, helper: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper("here", 'print(\'{"Username": "me", "Secret": "s"}\')')
    monkeypatch.chdir(tmp_path / "bin")
    write(places.docker_config, '{"credsStore": "here"}')
    for path in ("", ".", os.pathsep, f"{os.pathsep}/nowhere", "../bin"):
        with pytest.raises(CredentialError, match="no such program in PATH"):
            Credentials(replace(places, search_path=path)).find(HOST)
    assert who(places) == "me"


# ------------------------------------------------------------------------------------------------- keep, and forget

ME = Credential(username="me", password=SECRET, source="test")


def kept(places: Places) -> object:
    return json.loads(places.docker_config.read_text())


def test_what_is_stored_is_found_for_its_owner_alone(places: Places) -> None:
    assert Credentials(places).store(HOST, ME) == str(places.docker_config)
    assert Credentials(places).find(HOST) == replace(ME, source=str(places.docker_config))
    assert stat.S_IMODE(places.docker_config.stat().st_mode) == 0o600
    assert [path.name for path in places.docker_config.parent.iterdir()] == ["config.json"]


def test_what_krust_does_not_know_stays_and_in_its_order(places: Places) -> None:
    before = {
        "psFormat": "tablé",
        "auths": {"z.example": {"auth": packed("z"), "email": "a@b.c"}, HOST: {"auth": packed("old"), "email": "x"}},
        "HttpHeaders": {"a": [1, 2.5, None, 12345678901234567890]},
    }
    write(places.docker_config, json.dumps(before)).chmod(0o644)
    Credentials(places).store(HOST, ME)
    expected = {**before, "auths": {"z.example": before["auths"]["z.example"], HOST: {"auth": packed("me")}}}  # type: ignore[index]
    assert json.dumps(kept(places)) == json.dumps(expected)
    assert stat.S_IMODE(places.docker_config.stat().st_mode) == 0o600


def test_docker_hub_is_kept_under_dockers_own_name(places: Places) -> None:
    Credentials(places).store("docker.io", ME)
    assert kept(places) == {"auths": {"https://index.docker.io/v1/": {"auth": packed("me")}}}


def test_a_link_stays_and_its_target_is_replaced(places: Places, tmp_path: Path) -> None:
    target = write(tmp_path / "dotfiles" / "docker.json", '{"psFormat": "x"}')
    places.docker_config.parent.mkdir(parents=True)
    places.docker_config.symlink_to("../../dotfiles/docker.json")
    Credentials(places).store(HOST, ME)
    assert places.docker_config.is_symlink()
    assert json.loads(target.read_text()) == {"psFormat": "x", "auths": {HOST: {"auth": packed("me")}}}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_link_to_itself_is_an_error(places: Places) -> None:
    places.docker_config.parent.mkdir(parents=True)
    places.docker_config.symlink_to("config.json")
    for deed in (Credentials(places).find, Credentials(places).erase):
        with pytest.raises(CredentialError, match=r"cannot read '.*config\.json': too many levels"):
            deed(HOST)


def test_a_malformed_file_is_never_overwritten(places: Places) -> None:
    write(places.docker_config, '{"auths": {')
    for deed in (lambda: Credentials(places).store(HOST, ME), lambda: Credentials(places).erase(HOST)):
        with pytest.raises(Malformed):
            deed()
    assert places.docker_config.read_text() == '{"auths": {'


def test_a_folder_that_cannot_be_made_is_an_error_that_says_what_to_do(places: Places, tmp_path: Path) -> None:
    write(tmp_path / "home", "a file")
    with pytest.raises(CredentialError, match=r"cannot write '.*': (not a directory|file exists); set DOCKER_CONFIG"):
        Credentials(places).store(HOST, ME)


def _store(places: Places, number: int) -> None:
    Credentials(places).store(f"host{number}.example", ME)


def test_many_logins_at_once_lose_nothing(places: Places) -> None:
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        for done in [pool.submit(_store, places, number) for number in range(40)]:
            done.result()
    value = json.loads(places.docker_config.read_text())
    assert set(value["auths"]) == {f"host{number}.example" for number in range(40)}


def test_a_configured_helper_keeps_it_and_the_file_has_no_secret(places: Places, helper: Written) -> None:
    helper("keeper", KEEPER)
    write(places.docker_config, json.dumps({**json.loads(auths(me="old")), "credsStore": "keeper"}))
    where = f"docker-credential-keeper, named in {places.docker_config}"
    assert Credentials(places).store(HOST, ME) == where
    assert kept(places) == {"auths": {HOST: {}}, "credsStore": "keeper"}
    assert Credentials(places).find(HOST) == replace(ME, source=where)
    token = Credential(identity_token="abc", source=where)
    Credentials(places).store(HOST, token)
    assert Credentials(places).find(HOST) == token
    assert Credentials(places).erase(HOST) == (where,)
    assert Credentials(places).find(HOST) is None
    assert Credentials(places).erase(HOST) == ()
    assert kept(places) == {"auths": {}, "credsStore": "keeper"}


@pytest.mark.parametrize("verb", ["store", "erase"])
def test_a_helper_that_cannot_is_an_error_and_the_file_is_as_it_was(places: Places, helper: Written, verb: str) -> None:
    source = f"if verb == '{verb}': sys.exit(print('{SECRET}') or 1)\n"
    helper("broken", KEEPER.replace("assert", f"{source}assert"))
    (Path(places.search_path) / "docker-credential-broken.kept").write_text(json.dumps({HOST: ["me", SECRET]}))
    text = json.dumps({**json.loads(auths(me="old")), "credsStore": "broken"})
    write(places.docker_config, text)
    with pytest.raises(CredentialError, match=f"cannot {verb} the credential for '{HOST}'.*exit 1") as caught:
        Credentials(places).store(HOST, ME) if verb == "store" else Credentials(places).erase(HOST)
    assert SECRET not in str(caught.value)
    assert places.docker_config.read_text() == text


def test_each_entry_that_would_be_read_is_forgotten_and_no_other(places: Places) -> None:
    write(places.docker_config, auths(**{HOST: "a", f"https://{HOST}/v1/": "b", "other.example": "c"}))
    assert Credentials(places).erase(HOST) == (str(places.docker_config),)
    assert kept(places) == json.loads(auths(**{"other.example": "c"}))
    assert Credentials(places).find(HOST) is None


def test_forgetting_where_nothing_was_makes_no_file(places: Places) -> None:
    assert Credentials(places).erase(HOST) == ()
    assert not places.docker_config.parent.exists()
