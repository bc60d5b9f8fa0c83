"""Random edits, kills and damage, for as long as one likes: `make torture BUDGET=600`.

Not part of `make test`. What it finds becomes a small test there.
"""
