"""Steps that create the tables and bring older ones up to date."""
