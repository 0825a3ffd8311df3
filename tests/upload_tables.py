"""Labelled CSV files of invented patients, as an analyst would upload them."""

import numpy as np
from bundles_fixture import make_table

from medcore.conditions.catalog import find_condition


def make_rows(n, seed):
    """Invented patients whose values do not contradict each other."""
    table = make_table("diabetes", n=n, seed=seed)
    names = list(find_condition("diabetes").schema.input_names)
    for name in ("sedentary_min_per_day", "diastolic_mmhg", "total_cholesterol_mg_dl"):
        table.X[:, names.index(name)] = np.nan
    return table


def write_table(n=300, *, seed=5, changes=None, label=None, ids=None, extra=None):
    """A labelled CSV of invented patients; ``changes`` sets single cells: (row, column) -> text."""
    table = make_rows(n, seed)
    items = find_condition("diabetes").schema.inputs
    columns = {
        item.name: ["" if v != v else f"{v:.{max(item.decimals, 1)}f}" for v in table.X[:, j]]
        for j, item in enumerate(items)
    }
    for item in items:
        if item.choices:
            columns[item.name] = [text.split(".")[0] for text in columns[item.name]]
    columns["already_diagnosed"] = ["no"] * n
    columns["label"] = [str(value) for value in (table.y if label is None else label)]
    if ids is not None:
        columns["patient_id"] = ids
    columns |= extra or {}
    for (row, name), text in (changes or {}).items():
        columns[name][row] = text
    lines = [",".join(columns), *(",".join(columns[name][i] for name in columns) for i in range(n))]
    return ("\n".join(lines) + "\n").encode()
