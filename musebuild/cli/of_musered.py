"""What people of MuseRed typed, and what to type here. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

STEPS = {
    "bias": "muse_bias",
    "dark": "muse_dark",
    "flat": "muse_flat",
    "wavecal": "muse_wavecal",
    "lsf": "muse_lsf",
    "twilight": "muse_twilight",
    "scibasic": "muse_scibasic",
    "standard": "muse_standard",
    "scipost": "muse_scipost",
    "makecube": "muse_scipost_make_cube",
    "superflat": "superflat",
    "zap": "zap",
    "fsf": "fsf",
}
"""Option of `process-calib` and `process-exp` → block."""
BLOCKS = {
    ("exp-align", "drs"): "muse_exp_align",
    ("exp-align", "imphot"): "imphot",
    ("exp-combine", "drs"): "muse_exp_combine",
    ("exp-combine", "mpdaf"): "mpdaf_combine",
    ("std-combine", "drs"): "muse_std_combine",
}
"""Command and `--method` → block."""
GROUPS = {"process-calib": "calib", "process-exp": "science"}
BY_ITSELF = {
    "update-db": "nothing: each command reads new and changed headers (`musebuild ingest` does it "
    "alone)",
    "update-qc": "nothing: `musebuild qc CATEGORY` shows the tables, which fill by themselves",
    "update-qa": "nothing: `musebuild qc qa_reduced` shows the tables, which fill by themselves",
    "shell": "python, then: from musebuild import Project",
}
COMMANDS = frozenset({*GROUPS, *BY_ITSELF, *(name for name, _ in BLOCKS), "retrieve-data"})
"""Commands of MuseRed that have another name here, or none."""
VALUED = frozenset({"params", "dataset", "method", "name", "settings", "redversion", "db"})
"""Options that take a value."""


def instead(arguments: Sequence[str]) -> str:
    """What to type in place of a command of MuseRed.

    Parameters
    ----------
    arguments : sequence of str
        The command, one of `COMMANDS`, and what followed it.

    Examples
    --------
    >>> instead(["process-calib", "--bias", "2017-06-16*"])
    "doit 'muse_bias:2017-06-16*'"
    >>> instead(["process-exp", "--scipost", "--params", "muse_scipost_rec", "--force"])
    'doit -a muse_scipost_rec'
    >>> instead(["exp-combine", "--method=mpdaf", "IC4406"])
    "doit 'mpdaf_combine:IC4406*'"
    """
    command, *rest = arguments
    if command in BY_ITSELF:
        return BY_ITSELF[command]
    switches, values, names = _read(rest)
    if command == "retrieve-data":
        return shlex.join(["musebuild", "retrieve", *names])
    if command in GROUPS:
        blocks = [STEPS[name] for name in STEPS if name in switches]
        some = _of_steps(command, blocks, values, names)
    else:
        block = values.get("params") or BLOCKS.get((command, values.get("method", "drs")), "")
        some = [f"{block}:{name}*" for name in names] or [block]
    options = [*(["-a"] if "force" in switches else [])]
    options += ["--dry-run"] if "dry-run" in switches else []
    options += ["--settings", values["settings"]] if "settings" in values else []
    options += ["--set", f"version={values['redversion']}"] if "redversion" in values else []
    return shlex.join(["doit", *options, *filter(None, some)])


def _of_steps(
    command: str, blocks: list[str], values: dict[str, str], names: list[str]
) -> list[str]:
    if values.get("params"):
        blocks = [values["params"]]
    if not blocks:
        return [*names, *([values["dataset"]] if "dataset" in values else [])] or [GROUPS[command]]
    return [_begun(block, name) for block in blocks for name in names] or blocks


def _begun(block: str, name: str) -> str:
    return f"{block}:{name}" if any(sign in name for sign in "*?[") else f"{block}:{name}*"


def _read(words: Sequence[str]) -> tuple[set[str], dict[str, str], list[str]]:
    """Switches, values of options and names."""
    switches: set[str] = set()
    values: dict[str, str] = {}
    names: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("--"):
            names += [] if word.startswith("-") else [word]
            continue
        name, equals, value = word[2:].partition("=")
        if name in VALUED:
            values[name] = value if equals else (queue.pop(0) if queue else "")
        else:
            switches.add(name)
    return switches, values, names
