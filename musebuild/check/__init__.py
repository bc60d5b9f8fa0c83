"""Everything that can be said against a project before it runs."""
