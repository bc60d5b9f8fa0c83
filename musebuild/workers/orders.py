"""What goes to a worker and what comes back: plain data that any executor can carry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any


def _shallow(record: Any) -> dict[str, Any]:
    """Fields of a record, not copied: what they hold is plain already."""
    return {one.name: getattr(record, one.name) for one in fields(record)}


@dataclass(frozen=True, slots=True)
class Vouched:
    """What vouches for the content of an input: of the preimage it is a part of."""

    digest: str
    """Of its content; of an object, hash of its bytes."""
    is_object: bool = False
    ifu: int | None = None
    identity: tuple[int, ...] = ()
    """Device, inode, size and times with which the file is known to have that digest; empty: it
    must be read."""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """Everything that a worker needs to run one invocation."""

    task: str
    key: str
    preimage: Mapping[str, Any]
    recipe: str
    plugin: str
    runner: str
    drs: Mapping[str, str]
    """`path` and `version`."""
    params: Mapping[str, Any]
    inputs: tuple[tuple[str, str, str], ...]
    """(tag, path, name of the link that the recipe sees)."""
    products: tuple[Mapping[str, Any], ...]
    """Rules of the products that must come (fields of `ProductRule`)."""
    scratch: str
    store: tuple[str, ...]
    result: str
    """Where the worker leaves its result."""
    env: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    time_limit: float = 0.0
    """Seconds; 0: none."""
    memory_limit: int = 0
    """Bytes; 0: none."""
    input_bytes: int = 0
    keep_failed: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    vouched: tuple[Vouched, ...] = ()
    """Of each input, in their order; empty: nothing is compared."""

    def to_json(self) -> str:
        """The order as one line of JSON."""
        return json.dumps(_shallow(self) | {"vouched": [_shallow(one) for one in self.vouched]})

    @staticmethod
    def from_json(text: str) -> WorkOrder:
        """An order from its JSON."""
        data = json.loads(text)
        data["inputs"] = tuple((tag, path, name) for tag, path, name in data["inputs"])
        data["products"] = tuple(data["products"])
        data["store"] = tuple(data["store"])
        data["vouched"] = tuple(
            Vouched(**{**one, "identity": tuple(one["identity"])}) for one in data["vouched"]
        )
        return WorkOrder(**data)


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What became of an order."""

    task: str
    ok: bool
    manifest: Mapping[str, Any] | None = None
    """As written to the store; None after a failure."""
    seconds: float = 0.0
    failure: Mapping[str, Any] | None = None
    """`message`, `errors`, `return_code`, `kind`, `scratch`."""
    quality: tuple[Mapping[str, Any], bool] | None = None
    """What `index.qc.parameters_of` gave for the products: a worker has them at hand."""
    looks: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Object of a product → device, inode, size and times, as the worker left it."""
    log: str = ""
    """Name of the log's object in the store; or a path, where it could not be put there."""

    @staticmethod
    def from_json(text: str) -> WorkResult:
        """A result from its JSON."""
        return WorkResult(**json.loads(text))

    def to_json(self) -> str:
        """The result as JSON."""
        return json.dumps(_shallow(self))
