"""`musebuild retrieve`: frames from the ESO archive."""

from __future__ import annotations

from typing import Any

from musebuild.cli.base import ProjectCommand


def _option(name: str, kind: type, metavar: str, text: str, short: str = "") -> dict[str, Any]:
    option: dict[str, Any] = {
        "name": name.replace("-", "_"),
        "long": name,
        "type": kind,
        "default": False if kind is bool else "",
        "help": text,
    }
    return option | ({"metavar": metavar} if metavar else {}) | ({"short": short} if short else {})


class RetrieveCommand(ProjectCommand):
    """Fetch frames from the ESO archive."""

    name = "retrieve"
    doc_purpose = "fetch a dataset's frames and their calibrations from the ESO archive"
    doc_usage = "[DATASET...] [--locked [FILE]]"
    doc_description = None
    cmd_options = (
        _option("help-query", bool, "", "list what archive_filter can ask for"),
        _option("dry-run", bool, "", "fetch nothing: show what would come, with sizes", "n"),
        _option("start", str, "NIGHT", "only from this night on"),
        _option("end", str, "NIGHT", "only up to this night"),
        _option("calib", str, "NIGHT[,NIGHT]", "all calibrations of nights"),
        _option("ins-mode", str, "MODE", "with --calib: of this mode, such as WFM-NOAO-N"),
        _option("missing", bool, "", "the calibrations that the plan misses"),
        _option("locked", bool, "", "exactly the frames of settings.lock, or of the file named"),
        _option("force", bool, "", "ask for the calibrations of all exposures again"),
        _option("username", str, "NAME", "user at the ESO portal, for proprietary frames"),
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Ask, record, fetch, and bring the index up to date."""
        # Late: astroquery and what it needs take a second that other commands need not spend.
        from musebuild.cli.retrieval import Retrieval, help_query

        project = self.project(params)
        try:
            if params["help_query"]:
                return help_query()
            return Retrieval(project, params, args).run()
        finally:
            project.close()
