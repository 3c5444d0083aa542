"""krust resolve: what is built for which reference, how often, and that nothing is printed unless all is well."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.documents import composing, deployment
from bench.timing import timed
from tests.krust.commands.conftest import Cargo, Krust, clean, write_project
from tests.registry.faults import Registry
from tests.tools import KRUST, require_tool, run

_IMAGE = re.compile(r"[\w.:]+(?:/(\w+))?@sha256:[0-9a-f]{64}")


def _package(name: str, more: str = "") -> str:
    return f'[package]\nname = "{name}"\nversion = "1.2.3"\nedition = "2021"\n{more}\n'


_MAIN = "fn main() {}\n"
_BOTH = "linux/amd64,linux/arm64"
_FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n',
    "one/Cargo.toml": _package("one"),
    "one/src/main.rs": _MAIN,
    "two/Cargo.toml": _package("two"),
    "two/src/bin/a.rs": _MAIN,
    "two/src/bin/b.rs": _MAIN,
    "alone/Cargo.toml": _package("alone", "[workspace]"),
    "alone/src/main.rs": _MAIN,
    "k8s/one.yaml": "metadata: {labels: {app: one}}\nimage: krust://one # one\n",
    "k8s/two.yaml": "image: 'krust://../two#a'\n---\nagain: krust://./one/\r\nother: \"krust://two#b\"",
    "k8s/z.json": '{"image": "krust://alone"}\n',
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, _FILES)


@pytest.mark.slow
def test_each_package_is_built_once_and_pushed_and_all_else_stays(
    krust: Krust, project: Path, r: Registry, cargo: Cargo
) -> None:
    done = krust("resolve", "-f", "k8s", "--repo", r.host, "--lock", "krust.lock", env=cargo.env)
    assert done.code == 0, done.stderr
    images = {found[1]: found[0] for found in _IMAGE.finditer(done.stdout)}
    assert sorted(images) == ["a", "alone", "b", "one"]
    one, a, b, alone = (images[name] for name in ("one", "a", "b", "alone"))
    texts = [_FILES[name] for name in ("k8s/one.yaml", "k8s/two.yaml", "k8s/z.json")]
    expected = f"{texts[0]}---\n{texts[1]}\n---\n{texts[2]}"
    for reference, image in {
        "krust://../two#a": a, "krust://two#b": b, "krust://./one/": one, "krust://one": one, "krust://alone": alone,
    }.items():  # fmt: skip
        expected = expected.replace(reference, image)
    assert done.stdout == expected.replace("\r\n", "\n"), "as Python reads it; bytes are compared below"
    assert len(cargo.builds) == 2, "one for each workspace"
    for name, image in images.items():
        tagged = r.store.refs.get(f"{name}:latest")
        assert tagged
        assert image == f"{r.host}/{name}@{tagged.digest}"
    assert clean(project / ".krust")

    entries = json.loads((project / "krust.lock").read_text())["images"]
    assert {f"{each['directory']}#{each.get('binary')}": f"{each['image']}@{each['digest']}" for each in entries} == {
        "one#None": one, "two#a": a, "two#b": b, "alone#None": alone,
    }  # fmt: skip
    (project / "one/src/main.rs").write_text("not Rust")
    locked = krust("resolve", "-f", "k8s", "--locked", "krust.lock", env={"CARGO": "/nonexistent"})
    assert (locked.stdout, locked.stderr) == (done.stdout, "")


@pytest.mark.slow
def test_all_that_is_wrong_is_told_at_once_and_nothing_is_built(krust: Krust, project: Path, cargo: Cargo) -> None:
    write_project(
        project,
        {
            "bad.yaml": "a: krust://one\nb: [krust://oen, krust://two]\nc: krust://two#c\nd: krust://\n",
            "template.yaml": "{{- if .Values.a }}\na: 1\n",
        },
    )
    done = krust("resolve", "--no-push", "-f", "bad.yaml", "-f", "template.yaml", "-f", "gone.yaml", env=cargo.env)
    assert (done.code, done.stdout, cargo.builds) == (1, "", [])
    lines = done.stderr.splitlines()
    assert all(line.startswith("krust: ") for line in lines)
    for place, words in {
        "bad.yaml:2:5": "'krust://one'$",
        "bad.yaml:2:18": "several binaries; name one of --bin a, --bin b",
        "bad.yaml:3:4": "there are --bin a, --bin b",
        "bad.yaml:4:4": "malformed reference 'krust://'",
        "template.yaml:1:": "not YAML",
        "gone.yaml": "no such file",
    }.items():
        assert [line for line in lines if place in line and re.search(words, line)], (place, lines)
    assert len(lines) == 6


@pytest.mark.slow
def test_a_package_that_does_not_compile_prints_nothing(krust: Krust, project: Path) -> None:
    (project / "two/src/bin/b.rs").write_text("not Rust")
    done = krust("resolve", "--no-push", "-f", "k8s")
    assert (done.code, done.stdout) == (1, "")


def test_what_has_no_reference_comes_out_as_it_went_in(krust: Krust, tmp_path: Path) -> None:
    raw = b"\xef\xbb\xbfa: 'x' # krust://not-here\r\nb: 0644\n...\n"
    (tmp_path / "a.yaml").write_bytes(raw)
    done = subprocess.run([KRUST, "resolve", "-f", "a.yaml"], cwd=tmp_path, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (raw, b"")
    piped = subprocess.run([KRUST, "resolve", "-f", "-"], cwd=tmp_path, input=raw, capture_output=True, check=True)
    assert piped.stdout == raw
    closed = subprocess.run(
        ["sh", "-c", f"exec {KRUST} resolve -f a.yaml <&-"], cwd=tmp_path, capture_output=True, check=True
    )
    assert closed.stdout == raw


def test_a_selector_leaves_out_objects_and_what_they_refer_to(krust: Krust, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("metadata: {labels: {a: b}}\n---\nmetadata: {labels: {a: c}}\nx: krust://gone\n")
    done = krust("resolve", "-f", "a.yaml", "-l", "a in (b, d)")
    assert (done.code, done.stdout) == (0, "metadata: {labels: {a: b}}\n"), done.stderr


def test_a_template_passes_through_only_without_a_reference(krust: Krust, locked: Path) -> None:
    (locked / "a.yaml").write_text("image: krust://app\n")
    template = locked / "template.yaml"
    template.write_text("{{- if .Values.a }}\na: 1\n{{- end }}\n")
    words = ["resolve", "-f", "a.yaml", "-f", "template.yaml", "--locked", "lock"]
    refused = krust(*words)
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("krust: cannot read 'template.yaml:1:3': not YAML: ")
    done = krust(*words, "--passthrough")
    assert done.stdout == f"image: registry.example/app@sha256:{'1' * 64}\n---\n{template.read_text()}"
    template.write_text("{{- if .Values.a }}\nb: krust://app\n{{- end }}\n")
    assert krust(*words, "--passthrough").stderr == refused.stderr
    template.write_text('{"b": "krust:\\/\\/app"}')  # which no look at the text finds
    assert f'{{"b": "registry.example/app@sha256:{"1" * 64}"}}' in krust(*words, "--passthrough").stdout


def test_each_fault_in_each_document_is_told(krust: Krust, locked: Path) -> None:
    """Before anything is built: what cannot be replaced, what is no YAML, and what is nowhere."""
    (locked / "a.yaml").write_text("a: [krust://app\n---\nb: krust://gone\n---\nc: }\n---\nd: krust://gone too\n")
    (locked / "b.json").write_text('{"a": "krust://app"}\n')
    (locked / "c.yaml").write_text("a: {b: krust://app, c: 'of two\n  lines'}\n")
    words = [word for name in ("a.yaml", "b.json", "c.yaml") for word in ("-f", name)]
    done = krust("resolve", "-i", *words, "--locked", "lock")
    assert (done.code, done.stdout) == (1, "")
    places = re.findall(r"'(\S+:\d+:\d+)'", done.stderr)
    assert sorted(places) == ["a.yaml:2:1", "a.yaml:3:4", "a.yaml:5:4", "a.yaml:7:4", "b.json:1:8", "c.yaml:1:8"]
    assert len(done.stderr.splitlines()) == len(places)
    assert (locked / "c.yaml").read_text() == "a: {b: krust://app, c: 'of two\n  lines'}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-f", "-", "-f", "-"], "cannot read '-' twice"),
        (["-f", "-", "-l", "a in"], "malformed label selector 'a in'"),
        (["-f", "-", "--locked", "x", "--lock", "y"], "--locked builds nothing"),
        (["-f", "-", "--locked", "x", "--platform", "linux/amd64"], "--locked builds nothing"),
        (["-f", "-", "--locked", "x", "--", "--offline"], "--locked builds nothing"),
    ],
)
def test_wrong_usage_says_so(krust: Krust, words: list[str], said: str) -> None:
    done = krust("resolve", *words)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.fault


@pytest.mark.slow
def test_a_lock_file_says_of_each_image_what_it_was_made_of(krust: Krust, project: Path, r: Registry) -> None:
    """And the images are taken from it without cargo and without a registry."""

    def git(*words: str) -> str:
        person = ("-c", "user.name=A", "-c", "user.email=a@host.example")
        return run(require_tool("git"), "-C", project, *person, *words).stdout.decode().strip()

    def locked() -> list[dict[str, Any]]:
        """What is in the lock file, sorted; the texts are resolved as they were."""
        done = krust("resolve", "-f", "k8s", "--repo", r.host, "--platform", _BOTH, "--lock", "locks/krust.lock")
        assert done.code == 0, done.stderr
        from_lock = krust("resolve", "-f", "k8s", "--locked", "locks/krust.lock", env={"CARGO": "/bin/false"})
        assert (from_lock.stdout, from_lock.stderr) == (done.stdout, "")
        lock = json.loads((project / "locks/krust.lock").read_text())
        assert (sorted(lock), lock["version"]) == (["images", "version"], 1)
        images: list[dict[str, Any]] = lock["images"]
        for image in images:
            name = image.get("binary", image["package"])
            tagged = r.store.refs.get(f"{name}:latest")
            assert tagged
            assert (image.pop("image"), image.pop("digest")) == (f"{r.host}/{name}", str(tagged.digest))
            assert image.pop("platforms") == ["linux/amd64", "linux/arm64"]
        return images

    (project / "locks").mkdir()
    git("init", "--quiet")
    git("add", "Cargo.toml", "one", "two")
    git("commit", "--quiet", "--message", "all but one")
    commit = git("rev-parse", "HEAD")
    assert locked() == [
        {"directory": "../alone", "package": "alone"},
        {"directory": "../one", "package": "one", "commit": commit},
        {"directory": "../two", "binary": "a", "package": "two", "commit": commit},
        {"directory": "../two", "binary": "b", "package": "two", "commit": commit},
    ]
    (project / "one/src/main.rs").write_text("fn main() {} // more\n")
    assert {image.get("commit") for image in locked()} == {None, f"{commit}-dirty"}


def test_an_image_that_is_not_locked_is_an_error(krust: Krust, project: Path) -> None:
    (project / "krust.lock").write_text('{"version": 1, "images": []}')
    done = krust("resolve", "-f", "k8s/one.yaml", "-f", "k8s/z.json", "--locked", "krust.lock")
    assert (done.code, done.stdout) == (1, "")
    assert [line.partition("; ")[0] for line in done.stderr.splitlines()] == [
        "krust: cannot use 'krust://one' in 'k8s/one.yaml:2:8': its image is not in 'krust.lock'",
        "krust: cannot use 'krust://alone' in 'k8s/z.json:1:12': its image is not in 'krust.lock'",
    ]
    missing = krust("resolve", "-f", "k8s", "--locked", "gone.lock")
    assert missing.fault == (
        "krust: cannot read 'gone.lock': no such file or directory; write it with 'krust resolve --lock gone.lock'"
    )
    (project / "krust.lock").write_text('{"version": 2, "images": []}')
    assert "expected 1" in krust("resolve", "-f", "k8s", "--locked", "krust.lock").fault


def test_what_a_url_has_is_read(krust: Krust, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/a.yaml").write_text("a: 1\n")
    handler = partial(_Quiet, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = krust("resolve", "-f", f"{url}/a.yaml")
        gone = krust("resolve", "-f", f"{url}/b.yaml")
        server.shutdown()
    assert (done.code, done.stdout) == (0, "a: 1\n"), done.stderr
    assert (gone.code, gone.stdout) == (1, "")
    assert gone.fault.startswith(f"krust: cannot read '{url}/b.yaml': ")
    assert "404 Not Found" in gone.fault
    refused = krust("resolve", "-f", f"{url}/a.yaml")
    assert refused.fault.startswith(f"krust: cannot read '{url}/a.yaml': ")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_workspaces_that_share_a_target_directory_and_a_programs_name(krust: Krust, tmp_path: Path) -> None:
    write_project(
        tmp_path,
        {
            "Cargo.toml": '[workspace]\nmembers = ["folder"]\n',
            "folder/Cargo.toml": _package("called"),
            "folder/src/main.rs": 'fn main() { println!("one"); }\n',
            "other/Cargo.toml": _package("called", '[workspace]\n[package.metadata.krust]\nname = "other"'),
            "other/src/main.rs": 'fn main() { println!("the other"); }\n',
            "a.yaml": "- krust://called\n- krust://other\n- krust://folder\n",
        },
    )
    shared = {"CARGO_TARGET_DIR": str(tmp_path / "target")}
    done = krust("resolve", "--no-push", "-f", "a.yaml", env=shared)
    assert done.code == 0, done.stderr
    built = [krust("build", "--no-push", name).stdout.strip() for name in ("folder", "other")]
    assert done.stdout == f"- {built[0]}\n- {built[1]}\n- {built[0]}\n"


def _deployment(number: int) -> str:
    """3 kB; one in ten has a reference."""
    return f"---\n{deployment(number, 'docker.io/library/alpine' if number % 10 else 'krust://app')}"


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("files", "every"), [(1, 1), (10_000, 10)])
def test_ten_thousand_documents_take_no_longer_than_composing_them_and_half_of_that(
    locked: Path, files: int, every: int
) -> None:
    (locked / "many").mkdir()
    documents = [_deployment(number if every == 10 else 0) for number in range(10_000)]
    assert sum(map(len, documents)) > 29_000_000
    each = len(documents) // files
    for number in range(files):
        text = "".join(documents[number * each : (number + 1) * each])
        (locked / f"many/{number:05}.yaml").write_text(text)
    resolve: list[str | Path] = [KRUST, "resolve", "-f", "many", "--locked", "lock"]

    def seconds(*argv: str | Path) -> float:
        return timed(*argv, cwd=locked, out=locked / "out").cpu

    rounds = [(seconds(*composing(locked / "many")), seconds(*resolve)) for _ in range(2)]
    composed, resolved = (min(column) for column in zip(*rounds, strict=True))
    expected = "".join(documents).replace("krust://app", f"registry.example/app@sha256:{'1' * 64}")
    assert (locked / "out").read_text() == expected
    assert resolved <= 1.5 * composed, f"{resolved:.2f} s for {composed:.2f} s of composing"


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("words", [[], ["-i"]])
def test_memory_grows_with_the_largest_file_and_not_with_their_number(locked: Path, words: list[str]) -> None:
    def peak(name: str, files: int, documents: int) -> int:
        (locked / name).mkdir()
        for number in range(files):
            (locked / name / f"{number}.yaml").write_text("".join(map(_deployment, range(documents))))
        return timed(KRUST, "resolve", "-f", name, "--locked", "lock", *words, cwd=locked).peak

    least, one, many, large = peak("l", 1, 1), peak("o", 1, 500), peak("m", 10, 500), peak("x", 1, 2500)
    assert many - least < 2.5 * (one - least), (least, one, many)  # one text, and what is left of the one before
    assert large - least < 7 * (one - least), (least, one, large)


@pytest.mark.slow
def test_a_reference_in_a_thousand_files_is_built_once(krust: Krust, project: Path, cargo: Cargo) -> None:
    (project / "many").mkdir()
    for number in range(1000):
        (project / f"many/{number}.yaml").write_text(f"image: krust://{'./' * (number % 3)}one\n")
    done = krust("resolve", "--no-push", "-f", "many", env=cargo.env)
    assert done.code == 0, done.stderr
    images = [found[0] for found in _IMAGE.finditer(done.stdout)]
    assert (len(images), len(set(images)), len(cargo.builds)) == (1000, 1, 1)


# ---------------------------------------------------------------------------------------------------------- in place


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A lock file with two packages, so that nothing is compiled."""
    return _lock(tmp_path, "1")


def _lock(folder: Path, digit: str) -> Path:
    image = {"image": "registry.example/app", "digest": f"sha256:{digit * 64}", "platforms": []}
    images = [{"directory": name, "package": name, **image} for name in ("app", "web")]
    (folder / "lock").write_text(json.dumps({"version": 1, "images": images}))
    return folder


def test_files_are_edited_in_place_and_again(krust: Krust, locked: Path) -> None:
    (locked / "k8s").mkdir()
    one, two, three = (locked / "k8s" / name for name in ("one.yaml", "two.yaml", "three.yaml"))
    one.write_bytes(b"\xef\xbb\xbfimage: krust://app # mine\r\nmode: 0644")
    one.chmod(0o640)
    (locked / "elsewhere").write_text('image: "krust://web"\n')
    two.symlink_to("../elsewhere")
    three.write_text("no: reference\n")
    before = three.stat()
    for digit in ("1", "2"):
        _lock(locked, digit)
        done = krust("resolve", "-i", "-f", "k8s", "--locked", "lock")
        assert (done.code, done.stdout, done.stderr) == (0, "", "")
        image = f"registry.example/app@sha256:{digit * 64}"
        assert one.read_bytes() == f"\ufeffimage: {image} # mine # krust://app\r\nmode: 0644".encode()
        assert two.is_symlink()
        assert (locked / "elsewhere").read_text() == f'image: "{image}" # krust://web\n'
    assert one.stat().st_mode & 0o777 == 0o640
    assert (three.stat().st_ino, three.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert sorted(path.name for path in (locked / "k8s").iterdir()) == ["one.yaml", "three.yaml", "two.yaml"]


def test_a_fault_in_one_file_leaves_all_as_they_were(krust: Krust, locked: Path) -> None:
    (locked / "a.yaml").write_text("image: krust://app\n")
    (locked / "b.yaml").write_text("image: krust://gone\n")
    assert krust("resolve", "-i", "-f", "a.yaml", "-f", "b.yaml", "--locked", "lock").code == 1
    assert (locked / "a.yaml").read_text() == "image: krust://app\n"


@pytest.mark.parametrize("words", [["-f", "-"], ["-f", "https://host.example/a.yaml"], ["-f", "lock", "-l", "a=b"]])
def test_only_whole_files_can_be_edited_in_place(krust: Krust, locked: Path, words: list[str]) -> None:
    done = krust("resolve", "-i", *words, "--locked", "lock")
    assert (done.code, done.stdout) == (2, "")
    assert "-i writes files" in done.fault
