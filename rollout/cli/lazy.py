"""A group of commands whose modules are loaded when a command is asked for: help needs their names and lines only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter


class LazyGroup(TyperGroup):
    """Knows the commands of its `table` by module and line of help; one that was registered as usual is there, too.

    The module has a function of its own name, or a group of commands as `app`.
    """

    #: Name → module, and the line of help: the first sentence of the command's own help.
    table: ClassVar[Mapping[str, tuple[str, str]]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(self.table, self.commands)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the list of commands, as the table has it."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])


class _Commands(MutableMapping[str, "Command"]):
    """Commands by their names, each loaded at the first look."""

    def __init__(self, table: Mapping[str, tuple[str, str]], loaded: MutableMapping[str, Command]) -> None:
        self._table = table
        self._loaded = loaded

    def __getitem__(self, name: str) -> Command:
        if name not in self._loaded:
            self._loaded[name] = _load(name, self._table[name][0])
        return self._loaded[name]

    def __setitem__(self, name: str, command: Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._table
        yield from (name for name in self._loaded if name not in self._table)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _load(name: str, module: str) -> Command:
    """Return the command of a module, as typer makes it."""
    found = import_module(module)
    holder = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    if isinstance(group := getattr(found, "app", None), typer.Typer):
        holder.add_typer(group, name=name)
    else:
        holder.command(name)(getattr(found, module.rpartition(".")[2]))
    return typer.main.get_group(holder).commands[name]
