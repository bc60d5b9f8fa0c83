"""settings.yml → an immutable `Settings`: reading with positions, substitution, validation."""
