"""Made-up patients as a CSV file, for tests of the explore use case and page."""

import numpy as np
from tiny_bundle import draw_rows

from medcore.conditions.catalog import find_condition


def write_patients(condition_id, n, *, label=None, seed=3, change=None):
    """Return the bytes of a CSV file with ``n`` invented adults; ``change(X, schema)`` may spoil some."""
    schema = find_condition(condition_id).schema
    X = draw_rows(schema, np.random.default_rng(seed), n)
    X[:, schema.input_names.index("age_years")] = 30.0 + np.arange(n) % 50
    if change is not None:
        X = change(X, schema)
    lines = [",".join(["patient_id", *schema.input_names, *(["label"] if label is not None else [])])]
    for i, row in enumerate(X):
        cells = [f"P{i}", *("" if value != value else repr(float(value)) for value in row)]
        lines.append(",".join([*cells, *([str(label[i])] if label is not None else [])]))
    return "\n".join(lines).encode()
