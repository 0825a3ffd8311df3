"""What blanks cost, and how recipes do elsewhere: the studies beside the bundles, as rows of subgroups.

A bundle keeps outcomes and risks only. What goes with blanks comes from ``study-<condition>.json`` beside the
bundles, and is used only for the very bundle it was measured on.
"""

from __future__ import annotations

from collections.abc import Sequence

from medcore.errors import UnknownNameError
from medcore.evaluation.subgroups import MIN_EVENTS, SubgroupRow
from medcore.records import Schema
from medcore.registry import Catalog
from medcore.services.compare.studies import GroupFigures, LearningPoint, LeftOut, Study, find_study
from medcore.services.house import find_condition

__all__ = ["BY_COUNT", "find_blank_rows", "find_left_out", "find_points", "list_left_out"]

BY_COUNT = "blank fields"
"""What patients are divided by in the rows that count blanks; the other rows are divided by one field."""


def find_blank_rows(
    catalog: Catalog, condition_id: str, model_ids: Sequence[str]
) -> dict[str, tuple[SubgroupRow, ...]]:
    """Return each bundle's figures by number of blanks, then by each field blank or known.

    Models without a study of exactly their bundle are left out.

    Raises
    ------
    IntegrityError
        The study is there and cannot be read.
    """
    study = _find(catalog, condition_id)
    if study is None:
        return {}
    schema = find_condition(condition_id).schema
    hashes = {name: catalog.find(name).sha256 for name in model_ids}
    return {
        item.model_id: (
            *(_row(BY_COUNT, group.label, group) for group in item.by_count),
            *(
                _row(_label(schema, name), group.label, group)
                for name, (blank, known) in item.by_field.items()
                for group in (known, blank)
            ),
        )
        for item in study.blanks
        if hashes.get(item.model_id) == item.sha256
    }


def find_left_out(catalog: Catalog, condition_id: str) -> dict[str, tuple[SubgroupRow, ...]]:
    """Return, by recipe, the figures in each group that was left out of training; errors as for blanks."""
    study = _find(catalog, condition_id)
    return {} if study is None else list_left_out(study.left_out)


def list_left_out(items: Sequence[LeftOut]) -> dict[str, tuple[SubgroupRow, ...]]:
    """Write what was left out as rows of subgroups, by recipe."""
    return {item.recipe: tuple(_row(item.attribute, group.label, group) for group in item.groups) for item in items}


def find_points(catalog: Catalog, condition_id: str) -> tuple[LearningPoint, ...]:
    """Return the learning curves' points, by recipe and rising number of patients; errors as for blanks."""
    study = _find(catalog, condition_id)
    return () if study is None else tuple(sorted(study.learning, key=lambda item: (item.recipe, item.n_train)))


def _find(catalog: Catalog, condition_id: str) -> Study | None:
    try:
        return find_study(catalog.models_dir, condition_id)
    except UnknownNameError:
        return None  # a question about films: nothing can be blank


def _row(attribute: str, label: str, group: GroupFigures) -> SubgroupRow:
    fewest = min(group.n_events, group.n - group.n_events)
    return SubgroupRow(
        attribute=attribute,
        group=label,
        n=group.n,
        n_events=group.n_events,
        n_patients=group.n,
        too_few=fewest < MIN_EVENTS,
        metrics=group.metrics,
    )


def _label(schema: Schema, name: str) -> str:
    return schema[name].label if name in schema else name
