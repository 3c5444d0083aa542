from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.oci import mediatype
from plumbing.oci.config import PATH, Config, Execution
from plumbing.oci.digest import Digest
from plumbing.oci.platform import Platform
from tests.strategies import configs, digests, executions, mutated, platforms, unknown_fields

AMD64 = Platform.parse("linux/amd64")
ONE, TWO = Digest.of(b"1"), Digest.of(b"2")
BASE: dict[str, Any] = {
    "created": "2020-02-02T02:02:02.5Z",
    "author": "someone",
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "User": "1000",
        "ExposedPorts": {"80/tcp": {}},
        "Env": ["FIRST=1", "PATH=/usr/bin", "LANG=C=1"],
        "Entrypoint": ["/bin/base"],
        "Cmd": ["--base"],
        "Volumes": {"/base": {}},
        "WorkingDir": "/base",
        "Labels": {"org.opencontainers.image.title": "base", "org.example": "kept"},
        "StopSignal": "SIGQUIT",
        "ArgsEscaped": True,
        "Healthcheck": {"Test": ["NONE"]},
    },
    "rootfs": {"type": "layers", "diff_ids": [str(ONE)], "x-rootfs": 1},
    "history": [{"created_by": "base", "x-history": 1}],
    "x-unknown": {"deep": [None, 1]},
}


def parsed(value: dict[str, Any]) -> Config:
    return Config.parse(json.dumps(value).encode())


def on(base: dict[str, Any], *diff_ids: Digest, platform: Platform = AMD64, **execution: Any) -> dict[str, Any]:
    """The JSON of a config on top of `base`."""
    return dict(Config.of(platform, diff_ids, base=parsed(base), execution=Execution(**execution)).value)


@given(configs())
def test_a_config_parses_back_from_its_bytes(config: Config) -> None:
    assert Config.parse(config.raw) == config
    assert config.descriptor.media_type == mediatype.CONFIG


@given(platforms(rest=True), st.lists(digests(), max_size=3), executions())
def test_the_same_arguments_give_the_same_bytes(
    platform: Platform, diff_ids: list[Digest], execution: Execution
) -> None:
    config = Config.of(platform, diff_ids, execution=execution)
    assert config.raw == Config.of(platform, diff_ids, execution=execution).raw
    assert (str(config.platform), config.diff_ids) == (str(platform), tuple(diff_ids))


@given(unknown_fields(), unknown_fields())
def test_fields_of_the_base_that_krust_does_not_know_are_kept(outer: dict[str, Any], inner: dict[str, Any]) -> None:
    value = on({**BASE, **outer, "config": {**BASE["config"], **inner}}, TWO)
    assert {key: value[key] for key in outer} == outer
    assert {key: value["config"][key] for key in inner} == inner
    assert value["x-unknown"] == BASE["x-unknown"]
    assert value["rootfs"]["x-rootfs"] == 1


def test_golden_bytes() -> None:
    config = Config.of(
        AMD64, [ONE], execution=Execution(entrypoint=("/app/hello",), labels={"b": "", "a": "é"}), created=1
    )
    assert (
        config.raw
        == (
            '{"created":"1970-01-01T00:00:01Z","architecture":"amd64","os":"linux","config":{'
            f'"Env":["PATH={PATH}"],"Entrypoint":["/app/hello"],"Labels":{{"a":"é","b":""}}}},'
            f'"rootfs":{{"type":"layers","diff_ids":["{ONE}"]}},'
            '"history":[{"created":"1970-01-01T00:00:01Z","created_by":"krust"}]}'
        ).encode()
    )


def test_a_config_without_changes_keeps_what_the_base_runs() -> None:
    expected = {**BASE["config"], "Labels": {"org.example": "kept"}}
    assert on(BASE)["config"] == expected


def test_layers_come_on_top_of_the_bases_each_with_a_history() -> None:
    value = on(BASE, TWO, ONE)
    assert value["rootfs"]["diff_ids"] == [str(ONE), str(TWO), str(ONE)]
    new = {"created": "1970-01-01T00:00:00Z", "created_by": "krust"}
    assert value["history"] == [*BASE["history"], new, new]
    assert (value["created"], value["author"]) == ("1970-01-01T00:00:00Z", "someone")


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        ({"entrypoint": ("/a",)}, {"Entrypoint": ["/a"], "Cmd": None, "ArgsEscaped": None}),
        ({"entrypoint": ("/a",), "args": ("-b",)}, {"Entrypoint": ["/a"], "Cmd": ["-b"], "ArgsEscaped": None}),
        ({"args": ("-b",)}, {"Entrypoint": ["/bin/base"], "Cmd": ["-b"]}),
        ({"env": {"NEW": "=x", "LANG": "de"}}, {"Env": ["FIRST=1", "PATH=/usr/bin", "LANG=de", "NEW==x"]}),
        ({"env": {"PATH": "/app"}}, {"Env": ["FIRST=1", "PATH=/app", "LANG=C=1"]}),
        ({"user": "65532"}, {"User": "65532"}),
        ({"user": ""}, {"User": ""}),
        ({"workdir": "/"}, {"WorkingDir": "/"}),
        ({"ports": ("8080/tcp", "80/tcp")}, {"ExposedPorts": {"80/tcp": {}, "8080/tcp": {}}}),
        ({"volumes": ("/data",)}, {"Volumes": {"/base": {}, "/data": {}}}),
        ({"stop_signal": "SIGINT"}, {"StopSignal": "SIGINT"}),
        ({"labels": {"x": "1"}}, {"Labels": {"org.example": "kept", "x": "1"}}),
        (
            {"labels": {"org.opencontainers.image.title": "mine", "org.example": "new"}},
            {"Labels": {"org.example": "new", "org.opencontainers.image.title": "mine"}},
        ),
    ],
    ids=str,
)
def test_what_is_asked_for_replaces_what_the_base_has(execution: dict[str, Any], expected: dict[str, Any]) -> None:
    config = on(BASE, **execution)["config"]
    assert {key: config.get(key) for key in expected} == expected
    unchanged = set(BASE["config"]) - set(expected) - {"Labels"}
    assert {key: config[key] for key in unchanged} == {key: BASE["config"][key] for key in unchanged}


def test_a_base_without_path_gets_dockers() -> None:
    assert on({**BASE, "config": {"Env": ["A=1"]}})["config"]["Env"] == ["A=1", f"PATH={PATH}"]
    assert on({**BASE, "config": None})["config"] == {"Env": [f"PATH={PATH}"]}


def test_a_variable_twice_in_the_base_is_once_in_the_image() -> None:
    """The last one counts, as for execve's usual readers."""
    assert on({**BASE, "config": {"Env": ["PATH=/a", "B=1", "PATH=/b"]}})["config"]["Env"] == ["PATH=/b", "B=1"]


def test_identity_labels_of_the_base_alone_leave_no_labels() -> None:
    base = {**BASE, "config": {"Labels": {"org.opencontainers.image.version": "1"}}}
    assert "Labels" not in on(base)["config"]


def test_a_base_for_another_platform_gives_way_whole() -> None:
    base = {**BASE, "architecture": "arm", "variant": "v6", "os.version": "1", "os.features": ["x"]}
    value = on(base)
    assert (value["architecture"], value["os"]) == ("amd64", "linux")
    assert not {"variant", "os.version", "os.features"} & set(value)
    assert on(base, platform=Platform.parse("linux/arm/v6"))["os.version"] == "1"


def test_nulls_of_the_base_are_not_written() -> None:
    value = on({**BASE, "history": None, "author": None, "config": {"Cmd": None, "Labels": None, "Volumes": None}}, TWO)
    assert "author" not in value
    assert value["config"] == {"Env": [f"PATH={PATH}"]}
    assert len(value["history"]) == 2, "an entry for the base's layer, of which it tells nothing, and one for ours"


def test_the_history_has_an_entry_for_each_layer() -> None:
    told = {"created_by": "one"}
    value = on({**BASE, "history": [{"created_by": "ENV", "empty_layer": True}, told]}, TWO)
    assert next(entry for entry in value["history"] if not entry.get("empty_layer")) == told
    for history in (None, [], [{"empty_layer": True}]):
        with_layers = [
            entry for entry in on({**BASE, "history": history}, TWO)["history"] if not entry.get("empty_layer")
        ]
        assert len(with_layers) == len(BASE["rootfs"]["diff_ids"]) + 1
        assert with_layers[-1]["created_by"] == "krust", "ours is the last, whatever the base tells"


@pytest.mark.parametrize(
    ("created", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1700000000, "2023-11-14T22:13:20Z"), (253402300799, "9999-12-31T23:59:59Z")],
)
def test_times_are_as_rfc_3339_has_them(created: int, text: str) -> None:
    value = Config.of(AMD64, [ONE], created=created).value
    assert value["created"] == value["history"][0]["created"] == text


@pytest.mark.parametrize("created", [-1, 253402300800, 1 << 64])
def test_a_time_that_rfc_3339_cannot_write_is_refused(created: int) -> None:
    with pytest.raises(Malformed, match="malformed time of creation"):
        Config.of(AMD64, [], created=created)


def test_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(Malformed, match="expected UTF-8"):
        Config.of(AMD64, [], execution=Execution(user="\udcff"))


HOSTILE: dict[str, dict[str, Any]] = {
    "no rootfs": {"rootfs": None},
    "another kind of rootfs": {"rootfs": {"type": "image", "diff_ids": []}},
    "a diff ID that is a path": {"rootfs": {"type": "layers", "diff_ids": ["sha256:../x"]}},
    "diff IDs that are no texts": {"rootfs": {"type": "layers", "diff_ids": [1]}},
    "layers": {"layers": []},
    "manifests": {"manifests": []},
    "no os": {"os": None},
    "an empty architecture": {"architecture": ""},
    "a config that is no object": {"config": []},
    "an Env that is no array": {"config": {"Env": "PATH=/"}},
    "an Env with a number": {"config": {"Env": [1]}},
    "Labels that are no texts": {"config": {"Labels": {"a": 1}}},
    "ExposedPorts that are an array": {"config": {"ExposedPorts": ["80/tcp"]}},
    "ExposedPorts that are a number": {"config": {"ExposedPorts": 80}},
    "Volumes that are a number": {"config": {"Volumes": 1}},
    "a history that is a number": {"history": 1},
    "a history that is a text": {"history": "base"},
    "a history of texts": {"history": ["base"]},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_config_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match=r"^malformed (config|platform) '"):
        parsed({**BASE, **change})


EVERYTHING = Execution(
    user="u",
    workdir="/",
    entrypoint=("/a",),
    args=("b",),
    env={"C": "d"},
    labels={"e": "f"},
    ports=("1/tcp",),
    volumes=("/g",),
)


@given(st.binary() | mutated(configs().map(lambda config: config.raw)) | mutated(st.just(json.dumps(BASE).encode())))
def test_any_bytes_are_a_config_to_build_on_or_malformed(raw: bytes) -> None:
    try:
        config = Config.parse(raw)
    except Malformed:
        return
    assert config.raw == raw
    Config.of(AMD64, [ONE], base=config, execution=EVERYTHING)
