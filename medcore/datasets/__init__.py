"""Public data sets: load, checksum, provenance."""
