"""The tests, and what all of them need before numpy is loaded."""

import os

# Threads of linear algebra wait for each other by spinning: on small problems and a busy machine
# they take several times the CPU time of one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
