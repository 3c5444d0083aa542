from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from krust.cargo.metadata import BinaryTarget
from krust.config.keys import TABLE
from krust.config.layers import package, person
from krust.config.origin import Rank
from krust.config.resolve import user_config_path, with_default_binaries
from krust.errors import SettingError
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference
from tests.krust.config.conftest import Case, setting


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ("platfroms = []", "unknown setting 'platfroms' {at}platfroms': did you mean 'platforms'?"),
        ("stop_signal = 'x'", "unknown setting 'stop_signal' {at}stop_signal': did you mean 'stop-signal'?"),
        ("Base = 'x'", "unknown setting 'Base' {at}Base': did you mean 'base'?"),
        ("binns = {}", "unknown setting 'binns' {at}binns': did you mean 'bins'?"),
        ("qqq = 1", "unknown setting 'qqq' {at}qqq': there are name, repo, "),
        ("'a b' = 1", """unknown setting 'a b' {at}"a b"': there are """),
        ("bins.helo = {}", "unknown binary 'helo' {at}bins.helo': did you mean 'hello'?"),
        ("bins.hello.prots = []", "unknown setting 'prots' {at}bins.hello.prots': did you mean 'ports'?"),
        ("bins.hello.bin = 'x'", "cannot use 'bin' {at}bins.hello.bin': it belongs into [package.metadata.krust]"),
        (
            "files = [{ dest = '/', sorce = 'x' }]",
            "unknown field 'sorce' {at}files[0].sorce': did you mean 'src'?",
        ),
        ("files = [{ src = 'x' }]", "malformed entry of files '{{'src': 'x'}}' {at}files[0]': expected a 'dest'"),
        ("base = 'a'\nbase-image = 'b'", "cannot use 'base-image' {at}base-image': 'base' and 'base-image' are one"),
    ],
)
def test_what_nobody_knows_says_where_and_what_is_near(metadata: str, fault: str, case: Case) -> None:
    with pytest.raises(SettingError) as caught:
        case.resolve(metadata)
    assert str(caught.value).startswith(fault.format(at=f"in '{case.folder}/Cargo.toml' at 'package.metadata.krust."))


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ("base = 1", "malformed base '1' {at}base': expected a text, in quotes"),
        ("base = ['x']", "malformed base '['x']' {at}base': expected a text"),
        ("user = true", "malformed user 'true' {at}user': expected a number or a text"),
        ("args = '--help'", "malformed args '--help' {at}args': expected a list of texts: args = ["),
        ("args = ['a', 1]", "malformed args '1' {at}args[1]': expected a text, in quotes"),
        ("ports = [80, 99999]", "malformed port '99999' {at}ports[1]': expected a number from 1 to 65535"),
        ("ports = 0.5", "malformed ports '0.5' {at}ports[0]': expected a number or a text"),
        ("env = ['A=b']", "malformed env '['A=b']' {at}env': expected a table of texts, or false"),
        ("env = true", "malformed env 'true' {at}env': expected a table"),
        ("env.A = 1", "malformed env '1' {at}env.A': expected a text in quotes, or false"),
        ("env = { 'A=' = 'x' }", "malformed variable 'A=' {at}env': expected a name without '='"),
        ("labels = { 'a.b' = true }", """malformed labels 'true' {at}labels."a.b"': expected a text in quotes"""),
        (
            "target-cpu = { 'linux/x' = 'y' }",
            "malformed platform 'linux/x' {at}target-cpu': expected one of linux/amd64",
        ),
        ("files = 'x'", "malformed files 'x' {at}files': expected a list of tables"),
        ("files = ['x']", "malformed entry of files 'x' {at}files[0]': expected a table"),
        ("files = [{ dest = 'etc' }]", "malformed path 'etc' {at}files[0].dest': expected a path in the image"),
        ("files = [{ dest = '/', mode = '9' }]", "malformed mode '9' {at}files[0].mode': expected octal digits"),
        ("files = [{ dest = '/', mode = 644 }]", "malformed mode '644' {at}files[0].mode': expected a text, in quotes"),
        ("files = [{ dest = '/', user = 'root' }]", "malformed owner 'root' {at}files[0].user': expected uid[:gid]"),
        ("files = [{ dest = '/', src = '' }]", "malformed text '' {at}files[0].src': expected something"),
        ("tags = ['a b']", "malformed tag 'a b' {at}tags[0]': expected letters, digits"),
        ("tags = []", "malformed tags '[]' {at}tags': expected one tag at least"),
        ("platforms = ['all', 'local']", "malformed platforms 'all, local' {at}platforms': expected 'all' alone"),
        ("entrypoint = []", "malformed entrypoint '[]' {at}entrypoint': expected at least the program"),
        ("entrypoint = ['']", "malformed entrypoint '['']' {at}entrypoint': expected at least the program"),
        (
            "capabilities = ['cap_x']",
            "malformed capability 'cap_x' {at}capabilities[0]': expected a capability of Linux",
        ),
        ("capabilities = ['cap_kill=e', 'cap_chown=p']", "malformed capabilities "),
        ("bins = 1", "malformed setting '1' {at}bins': expected a table with a table for each binary"),
        ("bins.hello = 1", "malformed setting '1' {at}bins.hello': expected a table"),
    ],
)
def test_a_value_that_is_not_what_it_should_be_says_where(metadata: str, fault: str, case: Case) -> None:
    with pytest.raises(SettingError) as caught:
        case.resolve(metadata)
    assert str(caught.value).startswith(fault.format(at=f"in '{case.folder}/Cargo.toml' at 'package.metadata.krust."))


def test_a_wrong_shape_is_an_error_also_where_something_else_wins(case: Case) -> None:
    with pytest.raises(SettingError, match=r"malformed base '1' in .* at 'workspace\.metadata\.krust\.base'"):
        case.resolve("base = 'alpine'", workspace="base = 1", flags={"base": "scratch"})


def test_a_table_that_is_none_is_an_error(case: Case) -> None:
    target = BinaryTarget(package=replace(case.package(), metadata={"krust": 3}), kind="bin", name="hello")
    with pytest.raises(
        SettingError, match=r"malformed setting '3' in '.*' at 'package\.metadata\.krust': expected a tab"
    ):
        package(target)


@pytest.mark.parametrize(
    ("rank", "place"), [(Rank.PERSON, "person"), (Rank.WORKSPACE, "workspace"), (Rank.PACKAGE, "metadata")]
)
def test_a_key_stands_where_the_table_says_and_nowhere_else(rank: Rank, place: str, case: Case) -> None:
    for key in TABLE:
        said: Any = {place: key.example, "bins": ["server"], "target": "server"}
        if rank in key.places:
            _, origin = setting(case.resolve(**said), key.name)
            assert origin != "default", key.name
        else:
            with pytest.raises(
                SettingError, match=f"cannot use '{key.name}' in '.*' at '.*{key.name}': it belongs into"
            ):
                case.resolve(**said)


def test_an_older_name_counts(case: Case) -> None:
    assert case.resolve("base-image = 'alpine'").base == "alpine"
    assert case.resolve("base-image = 'alpine'", workspace="base = 'debian'").base == "alpine"


def test_variables_say_texts_and_lists(case: Case) -> None:
    env = {
        "KRUST_BASE": "alpine",
        "KRUST_PLATFORMS": "linux/arm64, linux/amd64",
        "KRUST_TAGS": "a,b",
        "KRUST_PROFILE": "",
        "KRUST_STORE": "elsewhere",
        "KRUST_UNKNOWN": "x",
    }
    found = case.resolve("base = 'debian'", env=env)
    assert (found.base, found.tags, found.profile) == ("alpine", ("a", "b"), "release")
    assert [str(platform) for platform in found.platforms] == ["linux/arm64", "linux/amd64"]
    assert setting(found, "base") == ("alpine", "KRUST_BASE")
    with pytest.raises(SettingError, match="malformed tag '-' in 'KRUST_TAGS': expected"):
        case.resolve(env={"KRUST_TAGS": "a,-"})


def test_flags_may_be_values_sequences_and_pairs(case: Case) -> None:
    flags = {
        "image": Reference.parse("ghcr.io/me/app:v1"),
        "platforms": ("linux/amd64,linux/386", Platform.parse("linux/arm64")),
        "env": (("A", "1"), ("B", "{version}")),
        "labels": {"x": "y"},
        "args": ("--list=a,b",),
        "base": None,
        "ports": (),
        "user": 1000,
    }
    found = case.resolve("base = 'alpine'\nports = [1]\nenv.A = '0'", flags=flags)
    assert (str(found.repository), found.tags, found.base) == ("ghcr.io/me/app", ("v1",), "alpine")
    assert [str(platform) for platform in found.platforms] == ["linux/amd64", "linux/386", "linux/arm64"]
    assert found.execution.env == {"A": "1", "B": "1.2.3"}
    assert found.execution.args == ("--list=a,b",)
    assert (found.execution.ports, found.execution.user) == (("1/tcp",), "1000")
    assert setting(found, "platforms")[1] == "--platform"
    assert setting(found, "env")[1] == {"A": "--env", "B": "--env"}
    with pytest.raises(SettingError, match="malformed platform 'vax' in '--platform': expected os/architecture"):
        case.resolve(flags={"platforms": ("vax",)})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("repo = ", r"cannot read '.*/person.toml': it is no TOML: Invalid value \(at end of document\)"),
        ("rep = 'x'", "unknown setting 'rep' in '.*/person.toml' at 'rep': did you mean 'repo'?"),
        ('"\\u001b" = 1', r"""unknown setting '\\x1b' in '.*/person.toml' at '"\\x1b"': there are"""),
        (f"repo = {'9' * 5000}", r"cannot read '.*/person.toml': it is no TOML"),
        ("x" * 5000, r"^.{0,200}it is no TOML"),
        (f"{'x' * 5000} = 1", r"^.{0,600}$"),
        (f"repo = {'[' * 9999}", "cannot read '.*/person.toml': it is nested too deep"),
        (
            "user = 'x'",
            "cannot use 'user' in '.*/person.toml' at 'user': it belongs into .workspace.metadata.krust. or ",
        ),
    ],
)
def test_a_wrong_file_of_the_person_says_where(text: str, fault: str, case: Case) -> None:
    with pytest.raises(SettingError, match=fault):
        case.resolve(person=text)


def test_a_persons_file_that_cannot_be_read_is_an_error(case: Case) -> None:
    case.person.write_bytes(b"repo = '\xff'")
    with pytest.raises(SettingError, match="it is no TOML"):
        person(case.person)
    if os.geteuid() != 0:
        case.person.chmod(0)
        with pytest.raises(SettingError, match="permission denied; make it readable"):
            person(case.person)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"HOME": "/home/me"}, "/home/me/.config/krust/config.toml"),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": "/etc/me"}, "/etc/me/krust/config.toml"),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": "me"}, "/home/me/.config/krust/config.toml"),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": ""}, "/home/me/.config/krust/config.toml"),
    ],
)
def test_the_persons_file_is_where_xdg_says(env: dict[str, str], expected: str) -> None:
    assert user_config_path(env) == Path(expected)


def test_the_key_bin_stands_in_for_default_run(case: Case) -> None:
    found = case.package("bin = 'b'", bins=["a", "b"], default_run="a")
    assert [each.default_run for each in with_default_binaries(case.project(found)).packages] == ["b"]
    same = case.package(bins=["a", "b"], default_run="a")
    assert with_default_binaries(case.project(same)).packages == (same,)
    with pytest.raises(SettingError, match=r"unknown binary 'c' in '.*' at 'package\.metadata\.krust\.bin': "):
        with_default_binaries(case.project(case.package("bin = 'c'", bins=["a", "b"])))
