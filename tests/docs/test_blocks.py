from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import blocks, follow, matches, not_run, steps

_DOCUMENT = """
```sh
word=hello; echo "$word"
```

```text
hello
```

  ```sh
  echo "$word" again
  ```

The same words, not right after it, are no output:

```text
nothing
```

```sh
true
```

```sh no-run: it needs a registry
exit 1
```
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "document.md"
    path.write_text(_DOCUMENT)
    return path


def test_blocks_are_found_with_what_they_show(document: Path) -> None:
    assert [(step.line, step.script, step.shown) for step in steps(document)] == [
        (2, 'word=hello; echo "$word"\n', "hello\n"),
        (10, 'echo "$word" again\n', None),
        (20, "true\n", None),
    ]
    assert [reason for _, reason in not_run(document)] == ["it needs a registry"]


def test_a_block_without_an_end_is_an_error(document: Path) -> None:
    document.write_text("```sh\necho\n")
    with pytest.raises(ValueError, match=r"document\.md:1: a block without an end"):
        blocks(document)


def test_a_true_document_is_followed_in_one_shell(document: Path, tmp_path: Path) -> None:
    assert follow(document, tmp_path) is None


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("text\nhello", "text\ngoodbye", "document.md:2: printed\nhello\n"),
        ('echo "$word" again', "echo why >&2; false", "document.md:10: exit 1\nwhy"),
        ("word=hello;", "exit 3;", "document.md:2: exit 3"),
        ('"$word" again', "; exit 0", "document.md:10: ended the shell before line 20"),
    ],
)
def test_a_document_that_is_wrong_is_told_where(was: str, now: str, said: str, document: Path, tmp_path: Path) -> None:
    document.write_text(_DOCUMENT.replace(was, now))
    wrong = follow(document, tmp_path)
    assert wrong
    assert wrong.startswith(said)


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n", "a", True),
        ("a\n", "a\nb\n", False),
        ("", "a\n", False),
        ("sha256:... 12\n", "sha256:0f 12\n", True),
        ("sha256:... 12\n", "sha256:0f 13\n", False),
        ("a...b\n", "a\nb\n", False),
        ("a\n...\nz\n", "a\nz\n", True),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("...\nz\n", "a\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_dots_stand_for_what_changes(shown: str, printed: str, expected: bool) -> None:
    assert matches(shown, printed) is expected
