from __future__ import annotations

import click

from scripts.make_command_pages import FOLDER, pages


def test_the_command_pages_are_current() -> None:
    from krust.cli import cli
    from plumbing.commands import TABLE

    written = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    assert written == pages(cli, TABLE), "run 'make docs'"


def test_every_option_says_what_it_is_for() -> None:
    from krust.cli import cli

    root = click.Context(cli)
    commands = {name: cli.get_command(root, name) for name in cli.list_commands(root)}
    silent = [
        f"{name} {parameter.opts[-1]}"
        for name, command in commands.items()
        if command
        for parameter in command.params
        if isinstance(parameter, click.Option) and not (parameter.help or parameter.hidden)
    ]
    assert silent == []


def test_a_page_says_what_its_command_takes() -> None:
    @click.group("krust")
    def group() -> None: ...

    @group.command("cat-words")
    @click.argument("name", metavar="NAME")
    @click.argument("other", metavar="[OTHER]", default="", help="Another.")
    @click.option("-n", "--count", default=1, show_default=True, help="How often.")
    def _(name: str, other: str, count: int) -> None:
        """Print NAME.

        \b
        cat-words a
        cat-words b
        """

    written = pages(group, {"read": ["cat-words"]})
    assert written["cat-words.md"] == (
        "# krust cat-words\n\n"
        "<!-- Generated from the command itself by `make docs`; change it there. -->\n\n"
        "```text\nkrust cat-words [OPTIONS] NAME [OTHER]\n```\n\n"
        "Print NAME.\n\n"
        "```text\ncat-words a\ncat-words b\n```\n\n"
        "## Arguments\n\n"
        "* `[OTHER]`: Another.\n\n"
        "## Options\n\n"
        "* `-n, --count INTEGER`: How often.  [default: 1]\n"
        "* `--help`: Show this message and exit.\n"
    )
    assert "### Read\n\n* [cat-words](cat-words.md): Print NAME.\n" in written["README.md"]
