"""A stand-in of astroquery's next version (0.4.12), which asks ESO's TAP service.

It has the methods that this version publishes, as far as musebuild calls them, over pyvo. Where
the installed astroquery is that version already, the tests take it itself:
`pip install --pre --target DIR --no-deps 'astroquery>=0.4.12.dev0'`, then `PYTHONPATH=DIR pytest`.
"""

from __future__ import annotations

from typing import Any

from astropy.table import Table
from astroquery import log
from astroquery.eso import EsoClass
from pyvo.dal import TAPService
from pyvo.dal.exceptions import DALQueryError


class NextEso(EsoClass):  # type: ignore[misc]
    """`EsoClass` over TAP."""

    def _tap_url(self) -> str:
        return "https://archive.eso.org/tap_obs"

    def tap(self, authenticated: bool = False) -> TAPService:
        """The service."""
        return TAPService(self._tap_url())

    def query_tap(self, query: str, *, authenticated: bool = False) -> Table:
        """Answer to an ADQL query; empty, and a line in the log, where the service refuses it."""
        try:
            return self.tap(authenticated).search(query).to_table()
        except DALQueryError as error:
            log.error(f"Error executing the following query: {query} ({error})")
            return Table()

    def query_instrument(
        self,
        instrument: str,
        *,
        cone_ra: float | None = None,
        cone_dec: float | None = None,
        cone_radius: float | None = None,
        columns: list[str] | None = None,
        column_filters: dict[str, Any] | None = None,
        help: bool = False,
    ) -> Table | None:
        """Rows of the instrument's table."""
        table = f"ist.{instrument}"
        if help:
            query = (
                "select column_name, datatype, xtype, unit from TAP_SCHEMA.columns "
                f"where table_name = '{table}'"
            )
            log.info(f"\nColumns present in the table {table}:\n{self.query_tap(query)}\n")
            return None
        conditions = [f"{name} {text}" for name, text in (column_filters or {}).items()]
        if cone_radius is not None:
            circle = f"circle('ICRS', {cone_ra}, {cone_dec}, {cone_radius})"
            conditions.append(f"intersects(s_region, {circle})=1")
        where = f" where {' and '.join(conditions)}" if conditions else ""
        return self.query_tap(f"select {', '.join(columns or ['*'])} from {table}{where}")
