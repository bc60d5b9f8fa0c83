"""The `musebuild` command: doit's own commands and ours."""
