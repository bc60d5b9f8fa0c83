"""musebuild: make for VLT/MUSE data reduction."""

__version__ = "0.1.0"
