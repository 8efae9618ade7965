"""The pages that come from the commands' own help: docs/commands.md, the man page and what shells complete."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.shell_completion import ShellComplete, get_completion_class

from cli import main as hearthwatch

PROGRAM = "hearthwatch"
HELP_BEGINS, HELP_ENDS = "<!-- help begins -->", "<!-- help ends -->"


def help_block() -> str:
    """The help of the program and of its commands."""
    parts = [
        f"## {path}\n\n```text\n$ {path} --help\n{_help(path, command)}\n```"
        for path, command in _commands(PROGRAM, hearthwatch)
    ]
    return "\n\n".join(parts)


def _help(path: str, command: click.Command) -> str:
    context = click.Context(
        command, info_name=path, max_content_width=100, terminal_width=100, help_option_names=["-h", "--help"]
    )
    return command.get_help(context).strip()


def _commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in list(command.commands) or command.list_commands(context):
            if (one := command.get_command(context, name)) is not None:
                yield from _commands(f"{path} {name}", one)


def with_help(page: str) -> str:
    """A page with the help between its markers made anew."""
    before, _, rest = page.partition(HELP_BEGINS)
    _, _, after = rest.partition(HELP_ENDS)
    return f"{before}{HELP_BEGINS}\n\n{help_block()}\n\n{HELP_ENDS}{after}"


def man_page() -> str:
    """docs/shell/hearthwatch.1: the same help for `man hearthwatch`."""
    first = (hearthwatch.help or "").splitlines()[0].rstrip(".")
    lines = [
        f'.TH {PROGRAM.upper()} 1 "" "" "User Commands"',
        ".SH NAME",
        f"{PROGRAM} \\- {_roff(first)}",
        ".SH COMMANDS",
    ]
    for path, command in _commands(PROGRAM, hearthwatch):
        lines += [".SS", _roff(path), ".nf", *(_roff(line) for line in _help(path, command).splitlines()), ".fi"]
    return "\n".join(lines) + "\n"


def _roff(line: str) -> str:
    escaped = line.replace("\\", "\\e").replace("-", "\\-")
    # A line that begins with a dot or an apostrophe would be a request.
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped


def completion(shell: str) -> str:
    """The script by which `shell` completes commands and options."""
    kind = get_completion_class(shell) or ShellComplete
    one = kind(hearthwatch, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE")
    return str(one.source_template % one.source_vars()).strip() + "\n"
