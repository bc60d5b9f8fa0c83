"""The raw-frame index: scanning, weather, flags, schema migrations."""
