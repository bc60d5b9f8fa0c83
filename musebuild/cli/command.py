"""What commands are made of: options that may stand anywhere, an example, errors for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import click

from musebuild.errors import UsageError
from musebuild.settings.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from musebuild.workers.executor import Executor

HELP = ("--help", "-h")
CONTEXT = {"help_option_names": list(HELP), "show_default": True, "max_content_width": 100}
COMMON = frozenset({"settings_file", "overrides", "folder", "dodo"})
"""Options that every command on a project takes; help shows them last."""


@dataclass
class Call:
    """One call of the command line; the object of click's context."""

    moved: bool = False
    """Whether doit changed to the project's folder already (it was called as `doit`)."""
    executor: Callable[[], Executor] | None = None
    """What makes the executor of a build; None: local processes."""
    meant: str = ""
    """The command that may have been meant by a word which is none."""
    config: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Defaults of options from doit's configuration files, by command."""


def call() -> Call:
    """The call that runs now."""
    context = click.get_current_context(silent=True)
    found = context.find_object(Call) if context is not None else None
    return found if found is not None else Call()


class Kind(Enum):
    """What a word of a command line is."""

    OPTION = "option"
    VALUE = "value"
    NAME = "name"
    UNKNOWN = "unknown"


def read_words(
    arguments: Sequence[str], options: Iterable[click.Parameter]
) -> list[tuple[Kind, str]]:
    """What each word of a command line is; long options that were cut short in full.

    Parameters
    ----------
    arguments : sequence of str
        The words.
    options : iterable of Parameter
        Options that are known.

    Returns
    -------
    list of (Kind, str)
        One for each word.

    Examples
    --------
    >>> follow = click.Option(["-f", "--follow"], is_flag=True)
    >>> read_words(["--fol", "name"], [follow])
    [(<Kind.OPTION: 'option'>, '--follow'), (<Kind.NAME: 'name'>, 'name')]
    """
    known = {name: option for option in options for name in _spellings(option)}
    found: list[tuple[Kind, str]] = []
    rest = iter(arguments)
    for text in rest:
        wants_value = False
        following: str | None = None
        if text == "--":
            found += [(Kind.NAME, text), *((Kind.NAME, name) for name in rest)]
        elif len(text) < 2 or not text.startswith("-"):
            found.append((Kind.NAME, text))
        elif text.startswith("--"):
            name, equals, value = text.partition("=")
            full = _in_full(name, known)
            found.append((Kind.OPTION if full in known else Kind.UNKNOWN, f"{full}{equals}{value}"))
            wants_value = full in known and not equals and _takes_value(known[full])
        else:
            kind, wants_value = _read_letters(text, known)
            found.append((kind, text))
        if wants_value:
            following = next(rest, None)
        if following is not None:
            found.append((Kind.VALUE, following))
    return found


def _spellings(option: click.Parameter) -> list[str]:
    return [*option.opts, *option.secondary_opts] if isinstance(option, click.Option) else []


def _takes_value(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and not option.is_flag and not option.count


def _in_full(name: str, known: Iterable[str]) -> str:
    """A long option, which doit's users may cut short as long as it stays one of a kind."""
    if name in known:
        return name
    longer = [other for other in known if other.startswith(name) and len(name) > len("--")]
    return longer[0] if len(longer) == 1 else name


def _read_letters(text: str, known: Mapping[str, click.Parameter]) -> tuple[Kind, bool]:
    """The kind of `-sq` or `-n2`, and whether its value is the next word."""
    for place, letter in enumerate(text[1:], start=2):
        option = known.get(f"-{letter}")
        if option is None:
            return Kind.UNKNOWN, False
        if _takes_value(option):
            return Kind.OPTION, place == len(text)
    return Kind.OPTION, False


class Command(click.Command):
    """A command with an example in its help.

    Parameters
    ----------
    example : str
        One way to type it.
    takes : str
        What it takes besides options, for people who give more.
    formerly : mapping
        Spellings that it no longer understands, and those of today.
    """

    def __init__(
        self,
        *args: Any,
        example: str = "",
        takes: str = "no names",
        formerly: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        more["context_settings"] = {**CONTEXT, **(more.get("context_settings") or {})}
        super().__init__(*args, **more)
        self.example = example
        self.takes = takes
        self.formerly = dict(formerly or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and refuse what is too much."""
        params = self.get_params(ctx)
        if ctx.obj is not None:
            ctx.default_map = defaults(self, ctx.obj.config)
        ctx.allow_extra_args = True
        read = read_words(args, params)
        words = [text for _, text in read]
        old = next((text for kind, text in read if kind is Kind.UNKNOWN), "")
        if old in self.formerly and not ctx.resilient_parsing:
            new = [
                self.formerly[text] if kind is Kind.UNKNOWN and text == old else text
                for kind, text in read
            ]
            raise UsageError(
                f"{ctx.command_path} has no option {old} any more",
                why=f"{old} means something else in other commands",
                remedy=f"{ctx.command_path} {shlex.join(new)}",
            )
        try:
            rest = super().parse_args(ctx, words)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise
        if rest and not ctx.resilient_parsing:
            raise UsageError(
                f"{ctx.command_path} takes {self.takes}, and got {rest[0]}",
                remedy=f"leave it out: {self.example}",
            )
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Own options first; those of every command on a project last."""
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                (common if param.name in COMMON else own).append(record)
        for title, records in (("Options", own), ("Options of the project", common)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example."""
        if self.example:
            with formatter.section("Example"):
                formatter.write(f"  {self.example}\n")


def defaults(command: click.Command, config: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Defaults of a command's options from doit's configuration files.

    Keys are names of doit's or long options, as in `[list]` / `status = yes`.
    """
    given = {**config.get("GLOBAL", {}), **config.get(command.name or "", {})}
    found: dict[str, Any] = {}
    for param in command.params:
        if not isinstance(param, click.Option) or param.name is None:
            continue
        longs = [name.removeprefix("--") for name in param.opts if name.startswith("--")]
        for key in (param.name, *longs, *(name.replace("-", "_") for name in longs)):
            if key in given:
                value: Any = given[key]
                found[param.name] = (
                    [part.strip() for part in value.split(",") if part.strip()]
                    if param.multiple and isinstance(value, str)
                    else value
                )
    return found


class Group(click.Group):
    """A command with sub-commands; options may stand before them, too.

    Parameters
    ----------
    default : str
        The sub-command that is meant where none is named; empty: one must be.
    formerly : mapping
        Options that were modes of one command, and the sub-commands that they are now: what
        scripts of then type goes on working.
    """

    command_class = Command

    def __init__(
        self,
        *args: Any,
        default: str = "",
        formerly: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        more["context_settings"] = {**CONTEXT, **(more.get("context_settings") or {})}
        more["no_args_is_help"] = False
        super().__init__(*args, **more)
        self.default = default
        self.formerly = dict(formerly or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The sub-commands, in the order of their module."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse with the sub-command first."""
        if not ctx.resilient_parsing or args:
            args = self.in_order(args)
        return super().parse_args(ctx, args)

    def in_order(self, arguments: Sequence[str]) -> list[str]:
        """Arguments with the sub-command in front of the options that it came after.

        Examples
        --------
        >>> group = Group("cache", commands=[Command("gc", params=[click.Option(["--size"])])])
        >>> group.in_order(["--size", "5", "gc"])
        ['gc', '--size', '5']
        """
        if not arguments and not self.default:
            return []
        if arguments and arguments[0] in HELP and len(arguments) == 1:
            return list(arguments)
        modes = [click.Option([name], is_flag=True) for name in self.formerly]
        options = [param for command in self.commands.values() for param in command.params]
        words = read_words(arguments, [*options, *modes])
        former = [
            place
            for place, (kind, text) in enumerate(words)
            if kind is Kind.OPTION and text.partition("=")[0] in self.formerly
        ]
        if len(former) > 1:
            both = " or ".join(words[place][1] for place in former)
            raise UsageError(
                f"musebuild {self.name} takes {both}, not both",
                remedy=f"musebuild {self.name} {' | '.join(self.commands)}",
            )
        if former:
            name, equals, value = words[former[0]][1].partition("=")
            others = [word for place, (_, word) in enumerate(words) if place != former[0]]
            return [self.formerly[name], *([value] if equals else []), *others]
        names = [place for place, (kind, _) in enumerate(words) if kind is Kind.NAME]
        if names and words[names[0]][1] in self.commands:
            place = names[0]
            return [arguments[place], *arguments[:place], *arguments[place + 1 :]]
        if self.default and (not names or self._default_takes_names()):
            return [self.default, *arguments]
        return [*(arguments[place] for place in names[:1]), *arguments]

    def _default_takes_names(self) -> bool:
        return any(isinstance(p, click.Argument) for p in self.commands[self.default].params)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The sub-command, or the names that come nearest."""
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            names = self.list_commands(ctx)
            raise UsageError(
                f"{ctx.command_path} does not know {args[0]}",
                why=did_you_mean(args[0], names) or None,
                remedy=f"{ctx.command_path} {' | '.join(names)}",
            )
        return (args[0] if command else None), command, args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the sub-command, or ask for one."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if error.ctx is not ctx:
                raise
            names = self.list_commands(ctx)
            raise UsageError(
                f"{ctx.command_path} wants one action: {', '.join(names)}",
                remedy=f"such as {self._example()}",
            ) from None

    def _example(self) -> str:
        return next(c.example for c in self.commands.values() if isinstance(c, Command))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The sub-commands, by name."""
        names = " | ".join(self.list_commands(ctx))
        return [f"[{names}] ..." if self.default else f"{names} ..."]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The sub-commands, in full."""
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.commands[name].get_short_help_str(limit=200)) for name in names]
            )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples of the sub-commands, and where their options are told."""
        examples = [
            command.example for command in self.commands.values() if isinstance(command, Command)
        ]
        with formatter.section("Examples"):
            formatter.write("".join(f"  {example}\n" for example in examples))
        with formatter.section("Options"):
            formatter.write_text(f"{ctx.command_path} COMMAND --help")


def explained(error: click.UsageError) -> UsageError:
    """A mistake on the command line, for people."""
    context = error.ctx
    path = context.command_path if context is not None else "musebuild"
    command = context.command if context is not None else None
    example = command.example if isinstance(command, Command) else ""
    if isinstance(error, click.NoSuchOption):
        known = [
            name
            for param in (command.params if command is not None else ())
            for name in _spellings(param)
            if name.startswith("--")
        ]
        longer = [name for name in known if name.startswith(error.option_name)]
        why = f"did you mean {' or '.join(longer)}?" if len(longer) > 1 else ""
        if context is not None and context.parent is not None and not why:
            why = _owner(error.option_name, context.parent)
        if len(error.option_name) > 2 and not why:
            why = did_you_mean(error.option_name, known)
        return UsageError(
            f"{path} has no option {error.option_name}",
            why=why or None,
            remedy=f"`{path} --help` lists the options",
        )
    if isinstance(error, click.MissingParameter) and error.param is not None:
        wanted = getattr(error.param, "what", "") or error.param.human_readable_name
        return UsageError(f"{path} wants {wanted}", remedy=example or None)
    if isinstance(error, click.BadOptionUsage):
        return UsageError(
            f"{path}: {error.message.rstrip('.')}", remedy=f"`{path} --help` lists the options"
        )
    return UsageError(
        f"{path}: {error.format_message().rstrip('.')}", remedy=f"`{path} --help` says how"
    )


def _owner(option: str, parent: click.Context) -> str:
    """The sub-commands beside one that lacks an option and that have it; empty where none do."""
    group = parent.command
    if not isinstance(group, click.Group):
        return ""
    owners = [
        f"{parent.command_path} {name}"
        for name, command in group.commands.items()
        if any(option in _spellings(param) for param in command.params)
    ]
    return f"it belongs to {' and '.join(owners)}" if owners else ""
