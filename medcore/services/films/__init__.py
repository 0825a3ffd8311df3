"""The radiologist's use cases: films in, read first, then the model's findings."""
