"""A project from Python: tables of what there is, what is to be made, and what was made."""

from __future__ import annotations

import contextlib
import functools
import html
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from musebuild.engine.project import Project, find_settings
from musebuild.engine.repair_database import mended
from musebuild.engine.view import resolved
from musebuild.errors import UNFORESEEN, MusebuildError
from musebuild.index.flags import FIELDS, all_flags
from musebuild.index.questions import ask, columns_of_raw
from musebuild.report import overview, qc
from musebuild.report.tables import Rows, astropy_table, cell
from musebuild.settings.model import Settings

P = ParamSpec("P")
T = TypeVar("T")
LEAST_SHOWN = 20
"""Lines of each table in a notebook's view of a project."""


def _mending(function: Callable[Concatenate[ProjectTables, P], T]) -> Callable[..., T]:
    """Ask once more after a damaged database was made anew."""

    @functools.wraps(function)
    def asking(self: ProjectTables, *args: P.args, **more: P.kwargs) -> T:
        try:
            return function(self, *args, **more)
        except (MusebuildError, sqlite3.Error, *UNFORESEEN) as error:
            done, told = mended(Project(self._path, self._overrides), error)
            if not done:
                raise
            if told:
                warnings.warn(told, stacklevel=2)
            return function(self, *args, **more)

    return asking


class ProjectTables:
    """A project folder, as tables: public as `musebuild.Project`.

    Each table is made when it is asked for, from files and database as they are then; nothing
    stays open. Reading a table brings the index up to date, as each build does, and runs no
    recipe.

    Parameters
    ----------
    settings : str or Path, optional
        The settings file; default: `settings.yml` here, or what MUSEBUILD_SETTINGS names.
    overrides : mapping, optional
        Values of the settings for this project only, as of `--set`: dotted key → text.

    Raises
    ------
    musebuild.errors.UsageError
        There is no such file, or it holds mistakes (when it is first needed).

    Examples
    --------
    >>> from musebuild import Project
    >>> project = Project("settings.yml")      # doctest: +SKIP
    >>> project.raw["name", "night"]           # doctest: +SKIP
    """

    def __init__(
        self, settings: str | Path | None = None, overrides: Mapping[str, str] | None = None
    ) -> None:
        given = None if settings is None else str(settings)
        self._path = find_settings(given, Path.cwd(), os.environ)
        self._overrides = dict(overrides or {})

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Project]:
        project = Project(self._path, self._overrides)
        try:
            yield project
        finally:
            project.close()

    @property
    def settings(self) -> Settings:
        """The settings, read and checked."""
        with self._opened() as project:
            return project.settings

    @property
    @_mending
    def raw(self) -> Any:
        """All frames below `raw_path`: `astropy.table.Table` with the columns of the table `raw`.

        `excluded` says why a frame is not used (empty: it is), `flags` holds its flags.
        """
        with self._opened() as project:
            frames = {frame.path: frame for frame in project.raw}
            names = columns_of_raw(project.connection)
            rows = ask(project.connection, (), names)
        place = names.index("path")
        return astropy_table(
            Rows(
                (*names, "excluded", "flags"),
                tuple(
                    (*row, frames[row[place]].excluded, ",".join(frames[row[place]].flags))
                    for row in rows
                    if row[place] in frames
                ),
                {"EXPTIME": "s"},
            )
        )

    @property
    @_mending
    def exposures(self) -> Any:
        """Exposures of the sky that are used (`astropy.table.Table`)."""
        with self._opened() as project:
            return astropy_table(overview.exposures(overview.used(project.raw)))

    @property
    @_mending
    def flags(self) -> Any:
        """Flags of exposures, with author, date and reason (`astropy.table.Table`)."""
        with self._opened() as project:
            flags = all_flags(project.db)
        return astropy_table(
            Rows(
                FIELDS,
                tuple(map(astuple, flags)),
            )
        )

    @property
    @_mending
    def plan(self) -> Any:
        """Every invocation of the plan, in an order in which each follows what it needs.

        Returns
        -------
        astropy.table.Table
            Columns name, task, block, recipe, ifu, night, dataset, state, reason, needs (names
            of invocations), products (categories), folder.
        """
        with self._opened() as project:
            plan = project.plan
            resolutions = resolved(project, plan.invocations)
        return astropy_table(
            Rows(
                (
                    "name",
                    "task",
                    "block",
                    "recipe",
                    "ifu",
                    "night",
                    "dataset",
                    "state",
                    "reason",
                    "needs",
                    "products",
                    "folder",
                ),
                tuple(
                    (
                        made.name,
                        made.task,
                        made.block,
                        made.recipe,
                        made.ifu,
                        made.night or None,
                        made.dataset or None,
                        str(resolutions[made.name].state),
                        resolutions[made.name].reason,
                        tuple(
                            dict.fromkeys(w.invocation for w in made.inputs if w.kind == "product")
                        ),
                        made.products,
                        made.folder,
                    )
                    for made in plan.invocations.values()
                ),
            )
        )

    @property
    @_mending
    def products(self) -> Any:
        """Products that the settings lead to and the store has.

        Returns
        -------
        astropy.table.Table
            Columns task, category, name, path (in the reduced tree where it lies there, else in
            the store), filter, size, made, seconds, key.
        """
        rows = []
        with self._opened() as project:
            plan, store = project.plan, project.store
            resolutions = resolved(project, plan.invocations)
            for name, invocation in plan.invocations.items():
                manifest = resolutions[name].manifest
                for product in manifest.products if manifest is not None else ():
                    assert manifest is not None
                    place = project.reduced / invocation.folder / product.name
                    path = place if place.exists() else store.path(product.object)
                    rows.append(
                        (
                            name,
                            product.category,
                            product.name,
                            str(path),
                            product.filter or None,
                            product.size,
                            manifest.made,
                            manifest.seconds,
                            manifest.key,
                        )
                    )
        names = ("task", "category", "name", "path", "filter", "size", "made", "seconds", "key")
        return astropy_table(Rows(names, tuple(rows), {"size": "byte", "seconds": "s"}))

    @_mending
    def qc(
        self,
        category: str,
        *,
        dates: Sequence[str] | str = (),
        parameters: Sequence[str] | str = (),
        history: bool = False,
    ) -> Any:
        """Quality-control parameters of the products of a category, a row for each HDU.

        Parameters
        ----------
        category : str
            PRO CATG, such as `MASTER_BIAS`.
        dates, parameters : str or sequence of str
            Only of these dates; only parameters that match these patterns.
        history : bool
            Also of products that are no longer current.

        Returns
        -------
        astropy.table.Table

        Raises
        ------
        musebuild.errors.UsageError
            There is no such category, date or parameter; names the nearest.
        """
        with self._opened() as project:
            found = qc.parameters(
                project.db,
                project.ledger,
                project.settings,
                category,
                dates=[dates] if isinstance(dates, str) else dates,
                patterns=[parameters] if isinstance(parameters, str) else parameters,
                history=history,
            )
        return astropy_table(found.table())

    def __repr__(self) -> str:
        return f"Project({str(self._path)!r})"

    @_mending
    def _repr_html_(self) -> str:
        """The project at a glance, for notebooks."""
        with self._opened() as project:
            frames = overview.used(project.raw)
            tables = {
                "datasets": overview.datasets(frames, project.settings),
                "nights": overview.nights(frames),
                "exposures": overview.exposures(frames),
            }
        parts = [f"<h4>{html.escape(str(self._path))}</h4>"]
        parts += [_html(name, table) for name, table in tables.items() if table.rows]
        return "\n".join(parts)


def _html(name: str, table: Rows) -> str:
    def line(cells: Sequence[Any], tag: str) -> str:
        inside = "".join(f"<{tag}>{html.escape(cell(value))}</{tag}>" for value in cells)
        return f"<tr>{inside}</tr>"

    shown = [line(row, "td") for row in table.rows[:LEAST_SHOWN]]
    more = len(table.rows) - LEAST_SHOWN
    return (
        f"<p>{html.escape(name)}</p><table><thead>{line(table.columns, 'th')}</thead>"
        f"<tbody>{''.join(shown)}</tbody></table>" + (f"<p>… and {more} more</p>" * (more > 0))
    )
