"""Write docs/commands/: one page per command and an index, from what the commands say of themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click

FOLDER = Path(__file__).parents[1] / "docs" / "commands"

_NOTICE = "<!-- Generated from the command itself by `make docs`; change it there. -->"
_VERBATIM = "\b\n"  # click's sign for a paragraph that keeps its line ends


def pages(group: click.Group, kinds: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Each page's text by file name. `kinds` has the names of the plumbing commands."""
    root = click.Context(group, info_name=group.name, **group.context_settings)
    found = {name: group.get_command(root, name) for name in group.list_commands(root)}
    commands = {name: command for name, command in found.items() if command and not command.hidden}
    return {
        "README.md": _index(commands, kinds),
        **{f"{name}.md": _page(command, name, root) for name, command in commands.items()},
    }


def _page(command: click.Command, name: str, root: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=root)
    usage = [context.command_path, *command.collect_usage_pieces(context)]
    text = [f"# {context.command_path}", _NOTICE, _block(" ".join(usage)), *_paragraphs(command.help or "")]
    for title, sort in (("## Arguments", click.Argument), ("## Options", click.Option)):
        records = [
            parameter.get_help_record(context)
            for parameter in command.get_params(context)
            if isinstance(parameter, sort)
        ]
        # An argument may have its say in the text above alone.
        if said := [f"* `{names}`: {words}" for names, words in filter(None, records) if words]:
            text += [title, "\n".join(said)]
    return _joined(text)


def _paragraphs(help_text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        yield _block(paragraph.removeprefix(_VERBATIM)) if paragraph.startswith(_VERBATIM) else paragraph


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


def _index(commands: Mapping[str, click.Command], kinds: Mapping[str, Sequence[str]]) -> str:
    def entries(names: Iterable[str]) -> str:
        return "\n".join(f"* [{name}]({name}.md): {commands[name].get_short_help_str(limit=200)}" for name in names)

    plumbing = [name for names in kinds.values() for name in names]
    text = [
        "# Commands",
        _NOTICE,
        "## Porcelain: what a person types",
        entries(name for name in commands if name not in plumbing),
        "## Plumbing: what scripts are made of",
    ]
    for kind, names in kinds.items():
        text += [f"### {kind.capitalize()}", entries(names)]
    return _joined(text)


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def main() -> None:
    from krust.cli import cli
    from plumbing.commands import TABLE

    FOLDER.mkdir(parents=True, exist_ok=True)
    written = pages(cli, TABLE)
    for page in FOLDER.glob("*.md"):
        if page.name not in written:
            page.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
