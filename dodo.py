"""A folder with this file and a settings.yml is a musebuild project (see `musebuild init`)."""

import musebuild.cli.takeover  # noqa: F401
