"""Keys: the hash of all that can change what an invocation makes, and of nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from blake3 import blake3

KEY_VERSION = 1
"""Raised whenever the preimage or its encoding changes; every older manifest is then a miss."""


def make_preimage(
    *,
    recipe: str,
    version: str,
    params: Mapping[str, Any],
    inputs: Sequence[tuple[str, str]],
    environment: Mapping[str, str] | None = None,
    packages: Mapping[str, str] | None = None,
    code: str = "",
) -> dict[str, Any]:
    """The document that a key is the hash of; it is kept in the manifest.

    Parameters
    ----------
    recipe : str
        Name of the CPL plugin or Python function.
    version : str
        Version of the DRS, or of the recipe.
    params : mapping
        Parameters of the block over the catalogue's defaults.
    inputs : sequence of (tag, content digest)
        In the order in which the recipe gets them.
    environment : mapping, optional
        The `MUSE_*` variables, which the DRS reads.
    packages : mapping, optional
        Python packages that compute → version.
    code : str
        Hash of a Python recipe's source. A recipe of the DRS has none, and no such part.

    Returns
    -------
    dict
        Plain data; equal content gives an equal key.
    """
    document = {
        "musebuild-key": KEY_VERSION,
        "recipe": recipe,
        "version": version,
        "params": plain(params),
        "inputs": [[tag, digest] for tag, digest in inputs],
        "environment": dict(environment or {}),
        "packages": dict(packages or {}),
    }
    return document | {"code": code} if code else document


def plain(value: Any) -> Any:
    """A parameter as JSON can hold it.

    Raises
    ------
    ValueError
        The value has no canonical form (NaN, infinity, an unknown type).
    """
    if value is None or isinstance(value, bool):
        return value
    # Subclasses (a numpy.float64, an enumeration) are written as what they are.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be part of a key")
        return float(value)
    if isinstance(value, Mapping):
        names = {str(name): plain(item) for name, item in value.items()}
        if len(names) < len(value):
            raise ValueError("two names of a mapping are the same text, so no key can be made")
        return names
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise ValueError(f"a {type(value).__name__} cannot be part of a key")


def canonical(value: Any) -> str:
    """Canonical JSON with a tag of the type before each scalar.

    The tags keep apart what YAML keeps apart and JSON readers may not: 1, 1.0, "1" and true.
    """
    return json.dumps(_tagged(value), ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def _tagged(value: Any) -> Any:
    if value is None:
        return "n"
    if isinstance(value, bool):
        return f"b:{int(value)}"
    if isinstance(value, int):
        return f"i:{value}"
    if isinstance(value, float):
        # repr gives the shortest text that reads back as the same number.
        return f"f:{value!r}"
    if isinstance(value, str):
        return f"s:{value}"
    if isinstance(value, Mapping):
        return {name: _tagged(item) for name, item in value.items()}
    return [_tagged(item) for item in value]


def key_of(preimage: Mapping[str, Any]) -> str:
    """The key of a preimage: BLAKE3 of its canonical form, 64 hexadecimal digits."""
    return blake3(canonical(preimage).encode("ascii")).hexdigest()
