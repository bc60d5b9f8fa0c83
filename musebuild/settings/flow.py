"""Settings as one line of YAML, for hints: what is shown is accepted when typed. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*(?: [A-Za-z0-9_.+-]+)*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*(?: [A-Za-z0-9_.+-]+)*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML takes for something else."""
MOST = 60
"""Characters of a name that is made up."""
UNNAMED = "unnamed"


def flow(value: Any) -> str:
    """A value as YAML that stands in one line, which gives the same value when it is read.

    Parameters
    ----------
    value : mapping, list, str, number
        Of any text, unprintable characters among it.

    Examples
    --------
    >>> flow({"OBJECT": "C/2014 UN271: a", "split_by": [1]})
    '{OBJECT: "C/2014 UN271: a", split_by: [1]}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(name)}: {flow(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    # A brace names a key of the settings, and stands for itself where it is doubled.
    braces = value.replace("{", "{{").replace("}", "}}")
    # A string of JSON is one of YAML, but for a character that no terminal shows.
    return json.dumps(braces).replace("\x7f", "\\x7f")


def name_for(text: str, taken: Collection[str] = ()) -> str:
    """A name that settings accept, as near to a text as can be.

    Parameters
    ----------
    text : str
        OBJECT of a header.
    taken : collection of str
        Names that are given already.
    """
    if _NAME.fullmatch(text) and text not in taken and len(text) <= MOST:
        return text
    words = re.sub(r"[^A-Za-z0-9_.+-]+", "_", text[:MOST]).strip("_.+-") or UNNAMED
    name, number = words, 2
    while name in taken:
        name, number = f"{words}_{number}", number + 1
    return name


def dataset_of_object(text: str, taken: Collection[str] = (), **more: Any) -> str:
    """What makes a dataset of the exposures with an OBJECT: `datasets: {IC4406: {}}`.

    Parameters
    ----------
    text : str
        OBJECT of their headers.
    taken : collection of str
        Names of other datasets.
    **more
        Other settings of the dataset.
    """
    name = name_for(text, taken)
    own = {} if name == text else {"OBJECT": text}
    return f"datasets: {flow({name: {**own, **more}})}"
