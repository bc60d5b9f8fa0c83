"""A manifest as text, and back: checked as a whole, since anybody may have written it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any, NoReturn

from blake3 import blake3

from musebuild.cache.model import MANIFEST_VERSION, Manifest, Product
from musebuild.settings.path_names import shown, why_no_part

BAD_MANIFEST = (ValueError, KeyError, TypeError, RecursionError)
"""What reading the text of a damaged manifest raises."""
_HASH = re.compile(r"[0-9a-f]{64}")
_OF_MANIFEST = frozenset(one.name for one in fields(Manifest))
_OF_PRODUCT = frozenset(one.name for one in fields(Product))
_LOG = re.compile(r"[0-9a-f]{64}|/.*|")
"""A log that found no place in the store stayed where it was."""
_MOST = 2**63
"""Above all numbers that the database takes."""


class OtherVersionError(ValueError):
    """A manifest is sound, and another musebuild wrote it in a format of its own."""


def is_object(name: str) -> bool:
    """Whether a text can be the name of an object."""
    return bool(_HASH.fullmatch(name))


def manifest_text(manifest: Manifest) -> str:
    """The text of a manifest's file: a line with its checksum, and the rest."""
    told = asdict(manifest)
    if not manifest.dropped:
        # Older versions of musebuild take a manifest with more fields for damaged.
        del told["dropped"]
    body = json.dumps(told, sort_keys=True, indent=1)
    return json.dumps({"checksum": blake3(body.encode()).hexdigest()}) + "\n" + body + "\n"


def read_text(text: bytes) -> Manifest:
    """The manifest in the text of a file.

    Raises
    ------
    ValueError, KeyError, TypeError, RecursionError
        It is damaged (`BAD_MANIFEST`); `OtherVersionError` where it is of another version.
    """
    head, _, body = text.partition(b"\n")
    body = body.rstrip(b"\n")
    if json.loads(head)["checksum"] != blake3(body).hexdigest():
        raise ValueError("its checksum is wrong")
    return manifest_from(json.loads(body, parse_constant=_no_number))


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def manifest_from(data: Mapping[str, Any]) -> Manifest:
    """A manifest from its plain data.

    Raises
    ------
    ValueError, KeyError, TypeError
        It is no manifest; `OtherVersionError` where it is of another version of the format.
    """
    if not isinstance(data, Mapping):
        raise ValueError("it is no manifest")
    version = data.get("version")
    if version != MANIFEST_VERSION or isinstance(version, bool):
        raise OtherVersionError(f"its format is {shown(version)}, not {MANIFEST_VERSION}")
    # What a newer musebuild tells besides harms nothing: else it would raise the version.
    data = {name: value for name, value in data.items() if name in _OF_MANIFEST}
    if not is_object(data["key"]):
        raise ValueError("its key is none")
    _check_preimage(data["preimage"])
    products = tuple(_product(product) for product in _list(data, "products"))
    names = [product.name for product in products]
    if len(set(names)) < len(names):
        raise ValueError("two of its products have one name")
    for name in ("task", "made", "host"):
        _check(isinstance(data.get(name, ""), str), name)
    _check(bool(_LOG.fullmatch(data["log"])), "log")
    for name in ("seconds", "cpu_seconds"):
        number = data[name]
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        _check(is_number and 0 <= number < _MOST, name)
    for name in ("peak_memory", "input_bytes"):
        _check(_is_count(data[name]), name)
    told, dropped = (tuple(_list(data, name, ())) for name in ("warnings", "dropped"))
    _check(all(isinstance(text, str) for text in told), "warnings")
    _check(all(map(is_object, dropped)), "dropped")
    return Manifest(**{**data, "products": products, "warnings": told, "dropped": dropped})


def _product(data: Any) -> Product:
    if not isinstance(data, Mapping):
        raise ValueError("a product of it is none")
    data = {name: value for name, value in data.items() if name in _OF_PRODUCT}
    for name in ("category", "name"):
        if reason := why_no_part(data[name]):
            raise ValueError(f"the {name} {shown(data[name])} of a product: {reason}")
    if data["name"].startswith("."):
        raise ValueError(f"the name {shown(data['name'])} of a product: it begins with a dot")
    _check(is_object(data["object"]), "object of a product")
    _check(isinstance(data["digest"], str), "digest of a product")
    _check(isinstance(data.get("filter", ""), str), "filter of a product")
    _check(_is_count(data["size"]), "size of a product")
    return Product(**data)


def _check_preimage(preimage: Any) -> None:
    _check(isinstance(preimage, Mapping), "preimage")
    for name in ("recipe", "version", "code"):
        _check(isinstance(preimage.get(name, ""), str), name)
    for name in ("params", "environment", "packages"):
        _check(isinstance(preimage.get(name, {}), Mapping), name)
    for name in ("environment", "packages"):
        _check(all(isinstance(text, str) for text in preimage.get(name, {}).values()), name)
    for pair in _list(preimage, "inputs", ()):
        _check(
            isinstance(pair, list | tuple)
            and len(pair) == 2
            and all(isinstance(text, str) for text in pair),
            "inputs",
        )


def _list(data: Mapping[str, Any], name: str, default: Iterable[Any] | None = None) -> Any:
    value = data[name] if default is None else data.get(name, default)
    _check(isinstance(value, list | tuple), name)
    return value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _check(sound: bool, what: str) -> None:
    if not sound:
        raise ValueError(f"its {what} cannot be so")
