"""Cores and memory that a build may use."""

from __future__ import annotations

import os

import psutil

from musebuild.engine.admission import Machine
from musebuild.engine.project import Project

MEMORY_SHARE = 0.9
"""Of the machine's memory that a build uses unless the settings say otherwise."""


def machine_of(project: Project) -> Machine:
    """Cores and memory that a build may use."""
    resources = project.settings.resources
    cores = resources.cores or len(os.sched_getaffinity(0)) or 1
    memory = resources.memory or int(psutil.virtual_memory().total * MEMORY_SHARE)
    return Machine(cores=cores, memory=memory)
