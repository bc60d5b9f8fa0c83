"""Where Python looks for modules: never in the project's folder, which holds data and settings."""

import os
import sys
from pathlib import Path


def leave_out_folder() -> None:
    """Take the present folder off the search path, unless the person's PYTHONPATH names it.

    doit and `python -m` put it first, so that a `numpy.py` among somebody's notes would be
    imported in place of numpy, and by a look.
    """
    here = Path.cwd()
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = {Path(name).absolute() for name in named if name}
    if here not in kept and here != Path(__file__).absolute().parents[2]:
        sys.path[:] = [name for name in sys.path if Path(name).absolute() != here]
