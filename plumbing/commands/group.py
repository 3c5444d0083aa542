"""Commands that are imported when they are run, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from types import FrameType
from typing import Any, NoReturn

import click

from plumbing.errors import PlumbingError, system_words

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_NO_THREAD = "can't start new thread"
"""Python's words of it, which come as a RuntimeError."""

_MOMENT = 0.5
"""Seconds that threads have in the end, to clear away what they have half written."""


class Commands(click.Group):
    """`sections`: each heading of the help to its commands; `packages`: each command to the package of its module."""

    def __init__(
        self, *args: Any, sections: Mapping[str, Sequence[str]], packages: Mapping[str, str], **more: Any
    ) -> None:
        super().__init__(*args, add_help_option=False, **more)
        self.params.append(_help_option())
        self.sections = sections
        self.packages = packages

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.packages)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        package = self.packages.get(cmd_name)
        if package is None:
            return None
        module = importlib.import_module(f"{package}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        if command.add_help_option:
            command.add_help_option = False
            command.params.append(_help_option())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.packages and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, self.packages, n=1)
            raise click.UsageError(f"no such command '{name}'" + (f"; did you mean '{near[0]}'" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in self.sections.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in commands if command])


def _help_option() -> click.Option:
    """As click's own, which would look for translations of its help text at every start."""

    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()

    words = "Show this message, and exit."
    return click.Option(["-h", "--help"], is_flag=True, is_eager=True, expose_value=False, callback=show, help=words)


def run(
    group: click.Group,
    arguments: Sequence[str],
    *,
    name: str,
    fault: Callable[[PlumbingError], None] = lambda error: None,
    ending: Callable[[], None] = lambda: None,
) -> int:
    """Run the command that `arguments` name; return the exit code: 0 done, 1 failed, 2 usage, 130 interrupted.

    A command may return an exit code of its own, such as that of the program that it ran. SIGTERM and SIGHUP, unless
    that is ignored, are taken as Ctrl-C is. At a second one nothing more is said, nor cleared away.

    fault   told of the error before its message is printed
    ending  called when the command has ended in whatever way, before any message
    """
    for number in _INTERRUPTS:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _interrupt)
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)  # its number is the lowest: no file of ours may be taken for standard input
    if sys.stderr is None:  # closed by whoever started us
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (for as long as we run)
    if sys.stdout is None:
        return _say(name, "cannot write: standard output is closed", FAILED)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a path that is no UTF-8 goes out as it came in
    try:
        return _run(group, arguments, name, fault, ending)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(
    group: click.Group,
    arguments: Sequence[str],
    name: str,
    fault: Callable[[PlumbingError], None],
    ending: Callable[[], None],
) -> int:
    try:
        try:
            code = group.main(list(arguments), prog_name=name, standalone_mode=False)
        finally:
            ending()
        sys.stdout.flush()
    except click.UsageError as error:
        where = f"; try '{error.ctx.command_path} --help'" if error.ctx else ""
        return _say(name, f"{_reason(error)}{where}", USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _say(name, "interrupted", INTERRUPTED)
    except PlumbingError as error:
        fault(error)
        return _say(name, str(error), error.exit_code)
    except BrokenPipeError:
        return FAILED  # whoever read our output has gone; there is nobody to tell
    except OSError as error:
        subject = f" '{error.filename}'" if error.filename else ""
        return _say(name, f"cannot go on: {system_words(error)}{subject}", FAILED)
    except MemoryError:
        return _say(name, "cannot go on: out of memory", FAILED)
    except RuntimeError as error:
        if str(error) != _NO_THREAD:
            raise
        return _say(name, "cannot go on: no thread can be started; allow more processes, or more memory", FAILED)
    return code if isinstance(code, int) else DONE


def leave(code: int) -> NoReturn:
    """End the process: with nothing left to clean up, taking the interpreter down in order only takes time.

    Threads that were left behind by Ctrl-C have a moment; a second Ctrl-C takes it from them.
    """
    for number in _INTERRUPTS:
        signal.signal(number, lambda *_: os._exit(code))
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            code = code or FAILED
    if code == INTERRUPTED:
        import threading

        deadline = time.monotonic() + _MOMENT
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(max(0.0, deadline - time.monotonic()))
    os._exit(code)


def _reason(error: click.UsageError) -> str:
    """click's words, in the form of ours."""
    if isinstance(error, click.NoSuchOption):
        near = f"; did you mean '{error.possibilities[0]}'" if error.possibilities else ""
        return f"no such option '{error.option_name}'{near}"
    message = error.format_message()
    return f"{message[:1].lower()}{message[1:].rstrip('.')}"


def _say(name: str, message: str, code: int) -> int:
    for line in message.splitlines():
        click.echo(f"{name}: {line}", err=True)
    return code


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
