"""The `musebuild` command."""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from musebuild.cli.command import Call, explained
from musebuild.cli.commands import root
from musebuild.cli.completion import COMPLETE, answer
from musebuild.cli.search_path import leave_out_folder
from musebuild.errors import MusebuildError

if TYPE_CHECKING:
    from musebuild.workers.executor import Executor


def main(
    arguments: Sequence[str],
    *,
    moved: bool = False,
    executor: Callable[[], Executor] | None = None,
) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's name.
    moved : bool
        Whether doit changed to the project's folder already.
    executor : callable, optional
        Makes what runs the recipes of a build; local processes where it is left out.

    Returns
    -------
    int
        Exit status: 0 done, 1 a part failed, 2 bad input, 130 stopped by Ctrl-C.
    """
    call = Call(moved=moved, executor=executor)
    # Millions of small records are made, none of which refers back to another: the collector of
    # circles would walk them all again and again, for a third of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        try:
            with root.make_context("musebuild", list(arguments), obj=call) as context:
                status = int(root.invoke(context) or 0)
            sys.stdout.flush()
            return status
        except click.exceptions.Exit as end:
            sys.stdout.flush()
            return end.exit_code
        except click.UsageError as error:
            raise explained(error) from None
        except sqlite3.DatabaseError as error:
            from musebuild.cli.opening import database_error

            raise database_error(error) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            from musebuild.cli.opening import file_error

            raise file_error(error) from error
    except MusebuildError as error:
        sys.stdout.flush()
        slip = f"  or the command: musebuild {call.meant}\n" if call.meant else ""
        sys.stderr.write(f"ERROR: {error}\n{slip}")
        return error.exit_status
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    except BrokenPipeError:
        return reader_has_left()
    finally:
        if collecting:
            gc.enable()


def reader_has_left() -> int:
    """End quietly where the reader has seen enough (`musebuild list | head`); the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def console() -> None:
    """Entry point of the `musebuild` command."""
    leave_out_folder()
    if COMPLETE in os.environ:
        sys.exit(answer(root, os.environ[COMPLETE]))
    sys.exit(main(sys.argv[1:]))
