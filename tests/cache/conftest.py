"""A store, and a project over it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from musebuild.cache.ledger import Ledger
from musebuild.cache.reduced import ReducedTree
from musebuild.cache.store import Store
from tests.cache.making import memory_ledger


@dataclass
class Project:
    """What the cache room sees of a project."""

    store: Store
    ledger: Ledger
    tree: ReducedTree


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store([tmp_path / "store"])


@pytest.fixture
def project(tmp_path: Path, store: Store) -> Project:
    """An empty project over the store."""
    ledger = memory_ledger()
    return Project(store, ledger, ReducedTree(tmp_path / "reduced", store, ledger))
