"""The command line as a whole: help, letters, old spellings, misuse, completion."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from musebuild.cli.command import Call, Command, Kind, read_words
from musebuild.cli.commands import COMMANDS, load_command, root
from musebuild.cli.completion import SCRIPTS
from musebuild.cli.doit_config import read_defaults
from musebuild.errors import UsageError
from tests.support.projects import MockProject, Ran
from tests.support.waiting import PATIENCE

OF_DOIT = ("run", "list", "info", "clean", "forget")
"""Commands that doit has as well; they keep its letters."""
SAME = {"output-file": "output"}
"""Long options that mean the same under two names; doit's is kept."""


def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command and its sub-commands, each with how it is typed."""
    yield name, command
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            yield from walk(f"{name} {word}", below)


EVERY = [pair for name in COMMANDS for pair in walk(name, load_command(name))]
TYPED = [(name, command) for name, command in EVERY if not isinstance(command, click.Group)]


def options_of(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


def parse(arguments: list[str]) -> click.Context:
    """Parse a command line down to its command, and run nothing."""
    context = root.make_context("musebuild", arguments, obj=Call())
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context


def check(ran: Ran, *parts: str, status: int = 2) -> None:
    assert ran.status == status, ran.text
    assert "Traceback" not in ran.text
    for part in parts:
        assert part in ran.text, ran.text


# help


@pytest.mark.parametrize(("name", "command"), TYPED, ids=[name for name, _ in TYPED])
def test_help_has_the_options_their_defaults_and_an_example(
    name: str, command: click.Command, project: MockProject
) -> None:
    assert isinstance(command, Command)
    ran = project.ask(*name.split(), "--help")
    assert (ran.status, ran.err) == (0, "")
    assert project.ask("help", *name.split()).out == ran.out
    assert ran.out.count("Example:") == 1
    assert command.example in ran.out
    # Lines break anywhere.
    text = "".join(ran.out.split())
    for option in options_of(command):
        assert option.opts[0] in text
        assert option.help and option.help.endswith((".", "]")), option.opts
        assert "".join(option.help.split()) in text
        shown, default = option.show_default, option.get_default(click.Context(command))
        if isinstance(shown, str):
            default = shown
        if isinstance(default, int | float | str) and default != "" and not option.is_flag:
            told = "".join(str(default).split())
            # The range of a number follows its default.
            assert re.search(rf"\[default:(?:{re.escape(told)}|\({re.escape(told)}\))[];]", text), (
                option.opts
            )


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_is_for_is_said_alike_in_the_list_and_in_its_own_help(name: str) -> None:
    first = (load_command(name).help or "").splitlines()[0]
    purpose = COMMANDS[name][1]
    assert first == f"{purpose[0].upper()}{purpose[1:]}."


@pytest.mark.parametrize(("name", "command"), TYPED, ids=[name for name, _ in TYPED])
def test_each_example_is_a_command_line_that_is_understood(
    name: str, command: click.Command
) -> None:
    assert isinstance(command, Command)
    words = shlex.split(command.example.partition(" >")[0])
    if words[0] == "eval":
        words = shlex.split(words[1].strip("$()"))
    assert words[0] in ("musebuild", "doit")
    assert parse(words[1:]).command is command


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_no_two_options_of_a_command_go_by_one_name(name: str, command: click.Command) -> None:
    names = [param.name for param in command.params]
    assert len(names) == len(set(names))


def test_help_of_a_group_tells_its_commands(project: MockProject) -> None:
    out = project.ask("cache", "--help").out
    for word in ("stats", "verify", "rebuild", "gc", "export", "import"):
        assert f"\n  {word} " in out
    check(project.ask("help", "cach"), "did you mean cache?")
    check(project.ask("help", "cache", "gcc"), "did you mean gc?")


# letters


def test_in_our_own_commands_one_letter_means_one_thing() -> None:
    meant: dict[str, set[str]] = {}
    for name, command in EVERY:
        if name in OF_DOIT[1:]:
            continue
        for option in options_of(command):
            (long,) = [text.removeprefix("--") for text in option.opts if text.startswith("--")]
            for letter in (text for text in option.opts if not text.startswith("--")):
                meant.setdefault(letter, set()).add(SAME.get(long, long))
    assert meant["-n"] == {"process"}
    assert {letter: longs for letter, longs in meant.items() if len(longs) > 1} == {}


@pytest.mark.parametrize("command", ["run", "list", "clean", "forget"])
def test_commands_of_doit_keep_its_letters(command: str) -> None:
    from doit.cmd_clean import Clean
    from doit.cmd_forget import Forget
    from doit.cmd_list import List
    from doit.cmd_run import Run

    theirs = {"run": Run, "list": List, "clean": Clean, "forget": Forget}[command].cmd_options
    letters = {option["short"]: option["long"] for option in theirs if option.get("short")}
    ours = {
        text: [other.removeprefix("--") for other in option.opts]
        for option in options_of(load_command(command))
        for text in option.opts
        if not text.startswith("--")
    }
    shared = [letter for letter in letters if f"-{letter}" in ours]
    assert shared
    for letter in shared:
        assert letters[letter] in ours[f"-{letter}"], letter


# doit's grammar


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("-n 2 muse_flat", "run -n 2 muse_flat"),
        ("-n2 muse_flat -c", "run --process=2 --continue muse_flat"),
        ("muse_flat -n 2", "run -n 2 muse_flat"),
        ("-d . --set a=b muse_flat", "run -d . --set a=b muse_flat"),
        ("--set a=b -n 2 muse_flat", "run -n 2 muse_flat --set a=b"),
        ("-d . --set a=b list -s", "list --status -d . --set a=b"),
        ("list --stat", "list --status"),
        ("--proc 3 muse_flat", "run -n 3 muse_flat"),
        ("-f dodo.py list -sq x", "list x -s -q -f dodo.py"),
        ("-- list", "run -- list"),
        ("cache -d . --repair verify", "cache verify --repair -d ."),
        ("-d . cache verify", "cache verify -d ."),
        ("flag -m why add BAD 2017", "flag add BAD 2017 -m why"),
        ("flag --all find A B", "flag find A B --all"),
        ("qc", "qc show"),
        ("qc --param x MASTER_BIAS", "qc show MASTER_BIAS --param x"),
        ("settings", "settings show"),
        ("settings --format json", "settings show --format json"),
    ],
)
def test_options_stand_where_people_put_them(typed: str, meant: str) -> None:
    one, two = parse(typed.split()), parse(meant.split())
    assert one.command is two.command
    assert one.params == two.params


def test_defaults_of_options_come_from_doits_files(project: MockProject) -> None:
    config = project.folder / "doit.cfg"
    text = config.read_text(encoding="utf-8")
    assert read_defaults(project.folder) == {}
    config.write_text(f"{text}\n[list]\nquiet = yes\n[run]\nnum_process = 3\ncontinue = 1\n")
    assert project.ask("list").out == project.ask("list", "-q").out
    assert "muse_bias on" not in project.ask("list").out
    config.write_text("no section = 1\n")
    check(project.ask("list"), "doit.cfg cannot be read")
    config.write_text(text)
    (project.folder / "pyproject.toml").write_text("[tool.doit.commands.list]\nquiet = true\n")
    assert project.ask("list").out == project.ask("list", "-q").out


def test_config_sets_what_the_command_line_does_not(
    project: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    with Path("doit.cfg").open("a", encoding="utf-8") as stream:
        stream.write("\n[run]\nnum_process = 3\ncontinue = 1\n")
    assert parse(["muse_flat"]).params["num_process"] == 3
    assert parse(["muse_flat"]).params["keep_going"] is True
    assert parse(["-n", "2", "--no-continue"]).params["num_process"] == 2
    assert parse(["-n", "2", "--no-continue"]).params["keep_going"] is False


@pytest.mark.parametrize("command", ["ignore", "dumpdb", "strace", "tabcompletion", "reset-dep"])
def test_what_doit_has_and_musebuild_has_not_is_answered(
    project: MockProject, command: str
) -> None:
    check(project.ask(command, "muse_bias"), f"{command} is a command of doit", "hint:")


def test_words_are_told_apart() -> None:
    options = options_of(load_command("run"))
    told = read_words(["-cn", "2", "--repo=json", "-x", "muse_flat", "--", "-n"], options)
    assert [kind for kind, _ in told] == [
        Kind.OPTION,
        Kind.VALUE,
        Kind.OPTION,
        Kind.UNKNOWN,
        Kind.NAME,
        Kind.NAME,
        Kind.NAME,
    ]
    assert told[2][1] == "--reporter=json"


# old spellings


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("settings --diff other.yml", "settings diff other.yml"),
        ("settings --diff=other.yml --format json", "settings diff other.yml --format json"),
        ("qc --outliers", "qc outliers"),
        ("qc MASTER_FLAT --outliers --sigma 7", "qc outliers MASTER_FLAT --sigma 7"),
        (
            "qc MASTER_BIAS --plot --param *RON -o x.png",
            "qc plot MASTER_BIAS --param *RON -o x.png",
        ),
        ("adopt --undo", "adopt --undo"),
        ("cache gc --dry-run", "cache gc --dry-run"),
    ],
)
def test_what_scripts_typed_before_goes_on_working(old: str, new: str) -> None:
    one, two = parse(old.split()), parse(new.split())
    assert one.command is two.command
    assert one.params == two.params


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("retrieve -n FIELD", "musebuild retrieve --dry-run FIELD"),
        ("cache gc -n --max-size 5GB", "musebuild cache gc --dry-run --max-size 5GB"),
    ],
)
def test_a_letter_that_meant_something_else_says_what_to_type(
    project: MockProject, old: str, new: str
) -> None:
    check(project.ask(*old.split()), "no option -n any more", f"hint: {new}\n")
    assert parse(new.split()[1:]).params["dry_run"] is True


# misuse


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("list --pendng", "did you mean --pending?"),
        ("list -x", "musebuild list has no option -x"),
        ("list --settings", "musebuild list: Option '--settings' requires an argument"),
        ("list --pending=yes", "does not take a value"),
        ("run -n", "musebuild run: Option '-n' requires an argument"),
        ("run -n -1", "-n wants a whole number of at least 0, not -1"),
        ("run -n 1.5", "-n wants a whole number of at least 0, not 1.5"),
        ("run -r jsn", "-r does not know jsn\n  why: did you mean json?"),
        ("status --format jsno", "--format does not know jsno"),
        ("check now", "musebuild check takes no names, and got now"),
        ("init a b", "musebuild init takes one folder, and got b"),
        ("reproduce a b", "musebuild reproduce takes one lock file, and got b"),
        ("provenance", "musebuild provenance wants one file"),
        ("simulate", "musebuild simulate wants a folder"),
        ("cache", "musebuild cache wants one action: stats, verify"),
        ("cache statz", "did you mean stats?"),
        ("cache export", "musebuild cache export wants a file"),
        ("cache import a b", "musebuild cache import takes one file, and got b"),
        ("cache stats --repair", "it belongs to musebuild cache verify"),
        ("cache gc --max-size much", "--max-size much is no size"),
        ("flag", "musebuild flag wants one action: add, remove, list, find"),
        ("flag ad BAD_SLICE 2017", "did you mean add?"),
        ("flag add", "musebuild flag add wants a flag and exposures"),
        ("flag add BAD_SLICE", "wants exposures besides the flag"),
        ("settings shw", "did you mean show?"),
        ("settings diff", "musebuild settings diff wants another settings file"),
        ("settings diff a b", "takes one settings file, and got b"),
        ("qc a b", "musebuild qc show takes one category, and got b"),
        ("qc --plot --outliers a", "not both"),
        ("qc plot MASTER_BIAS --by nights", "did you mean night"),
        ("retrieve FIELD --start yesterday", "--start yesterday is no night"),
        ("retrieve --calib 2017-06-15,x", "--calib x is no night"),
        ("completion", "musebuild completion wants a shell"),
        ("completion bsh", "did you mean bash or zsh?"),
        ("info-warnings --mode lst", "did you mean list?"),
        ("diff", "compares two sides, and got 0"),
        ("list -d nowhere", "there is no folder"),
    ],
)
def test_misuse_is_answered(project: MockProject, typed: str, told: str) -> None:
    ran = project.ask(*typed.split())
    check(ran, told, "hint:")
    assert ran.err.startswith("ERROR: ")
    assert ran.out == ""


def test_a_mistake_in_a_command_line_names_what_would_be_right() -> None:
    with pytest.raises(UsageError) as caught:
        parse(["cache", "gc", "--keep-versions", "few"])
    assert "--keep-versions wants a whole number of at least 0" in str(caught.value)


# completion


@pytest.fixture
def shell(project: MockProject, tmp_path: Path) -> dict[str, str]:
    """An environment in which `musebuild` is this one."""
    program = tmp_path / "bin" / "musebuild"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -c 'import sys; "
        f'from musebuild.cli.main import console; console()\' "$@"\n'
    )
    program.chmod(0o755)
    doit = program.with_name("doit")
    shutil.copy(program, doit)
    # As a shell that has read it when it started.
    (tmp_path / "completion").write_text(project.ask("completion", "bash").out, encoding="utf-8")
    return {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "BASH_ENV": str(tmp_path / "completion"),
    }


def completed(line: str, folder: Path, environment: dict[str, str]) -> list[str]:
    """What bash offers at the end of a line."""
    program = line.split()[0]
    function = "_musebuild_doit_completion" if program == "doit" else "_musebuild_completion"
    script = (
        f"COMP_LINE={shlex.quote(line)}; "
        f'COMP_POINT=${{#COMP_LINE}}; {function}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands_options_and_names_of_tasks(
    project: MockProject, shell: dict[str, str]
) -> None:
    folder = project.folder
    assert "reproduce" in completed("musebuild re", folder, shell)
    assert completed("musebuild list --pen", folder, shell) == ["--pending"]
    assert completed("doit list --format x", folder, shell) == []
    assert completed("musebuild cache ver", folder, shell) == ["verify"]
    assert completed("musebuild status --format j", folder, shell) == ["json"]
    assert "muse_flat" in completed("doit muse_fl", folder, shell)
    # bash completes the part behind the colon.
    assert completed("doit -n 2 muse_flat:2017", folder, shell) == ["2017-06-16T10:48:07"]
    part = completed("musebuild why muse_flat:2017-06-16T10:48:07.i", folder, shell)
    assert part == ["07.ifu01", "07.ifu02"]
    assert not project.journal
    assert not (folder / "reduced").exists()
    (folder / "settings.yml").write_text("{", encoding="utf-8")
    assert completed("musebuild list muse_f", folder, shell) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_shell_reads_its_script(project: MockProject, name: str) -> None:
    ran = project.ask("completion", name)
    assert ran.out.startswith(f"# {name}: put ")
    assert "musebuild" in ran.out and "doit" in ran.out
    program = shutil.which(name)
    if program is not None:
        subprocess.run([program, "-n"], input=ran.out, text=True, check=True)


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_zsh_and_fish_are_answered_in_their_own_way(
    project: MockProject, shell: dict[str, str], name: str
) -> None:
    ran = subprocess.run(
        ["musebuild"],
        cwd=project.folder,
        env={
            **shell,
            "_MUSEBUILD_COMPLETE": f"{name}_complete",
            "COMP_WORDS": "musebuild why muse_fla",
            "COMP_CWORD": {"zsh": "2", "fish": "muse_fla"}[name],
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert "muse_flat" in ran.stdout
    assert "muse_bias" not in ran.stdout


# the pages

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_page_of_commands_names_every_command_and_option() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    told = set(re.findall(r"--[a-z][a-z-]*", page))
    for name, command in TYPED:
        assert re.search(rf"\b{name.split()[0]}\b", page), name
        missing = {
            text for option in options_of(command) for text in option.opts if text.startswith("--")
        } - told
        assert not missing, (name, missing)
    ours = {text for _, c in EVERY for o in options_of(c) for text in (*o.opts, *o.secondary_opts)}
    assert told - ours <= {"--help", "--stat", "--diff", "--outliers"}


def typed_in(page: Path) -> list[str]:
    """Command lines that a page shows, but for those that stand for several."""
    text = page.read_text(encoding="utf-8")
    quoted = re.findall(r"`((?:musebuild|doit) [^`\n]+)`", text)
    blocks = re.findall(r"^(?:\$ )?((?:musebuild|doit) .+)$", text, re.MULTILINE)
    lines = (line.partition("  #")[0].partition(" > ")[0].strip() for line in [*quoted, *blocks])
    return [line for line in dict.fromkeys(lines) if not set("[]|…;&") & set(line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_pages_type_is_understood(page: Path) -> None:
    for line in typed_in(page):
        try:
            words = shlex.split(line)[1:]
        except ValueError:
            continue
        # A page may name a command alone, without what it takes.
        stands_for_more = {"N", "SIZE", "NIGHT", "cache", "flag"}.intersection(words[-1:])
        if not stands_for_more:
            with contextlib.suppress(click.MissingParameter, click.exceptions.Exit):
                parse(words)
