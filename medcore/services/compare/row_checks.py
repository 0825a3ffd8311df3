"""Which rows of a table may be scored: contradictions, population limits, required fields, likely unit mix-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medcore.conditions.condition import Condition
from medcore.errors import InputError
from medcore.inference.eligibility import find_reasons
from medcore.records import FieldKind
from medcore.records.reading import find_unit_question
from medcore.records.tables import TableChunk, TableHeader
from medcore.results import Reason

__all__ = ["judge_rows"]


def judge_rows(
    condition: Condition, chunk: TableChunk, header: TableHeader, studied: Mapping[str, tuple[float, float]]
) -> tuple[dict[int, Sequence[InputError]], dict[int, tuple[Reason, ...]]]:
    """Return per position in the chunk what makes a row unreadable, and what withholds its score unasked.

    Parameters
    ----------
    condition : Condition
        The clinical question.
    chunk, header
        From :func:`medcore.records.tables.open_table`.
    studied : mapping of field name to (lo, hi)
        Studied range of numbers, in the field's own unit; where it has none, the field's plausible one is used.
    """
    errors: dict[int, Sequence[InputError]] = dict(chunk.errors)
    reasons: dict[int, tuple[Reason, ...]] = {}
    questions = _find_unit_questions(chunk, header, studied)
    for i in np.flatnonzero(chunk.usable).tolist():
        values = chunk.known(i)
        contradictions = condition.cross_check(values).errors
        found = (*find_reasons(condition, values), *questions.get(i, ()))
        if contradictions:
            errors[i] = contradictions
        elif found:
            reasons[i] = found
    return errors, reasons


def _find_unit_questions(
    chunk: TableChunk, header: TableHeader, studied: Mapping[str, tuple[float, float]]
) -> dict[int, tuple[Reason, ...]]:
    """Values that are not seen in their unit but would be ordinary in another: the row is set aside.

    A unit written in the header is the answer: nothing is asked of such a column.
    """
    found: dict[int, tuple[Reason, ...]] = {}
    for j, item in enumerate(chunk.schema.fields):
        seen = studied.get(item.name) or item.plausible
        asked = item.name in header.units and item.name not in header.named_units
        if seen is None or item.kind is not FieldKind.NUMBER or not asked:
            continue
        column = chunk.values[:, j]
        for i in np.flatnonzero((column < seen[0]) | (column > seen[1])).tolist():
            question = find_unit_question(item, float(column[i]), None, (seen[0], seen[1]))
            if question is not None:
                reason = Reason(code="unit_question", field=item.name, text=question.text)
                found[i] = (*found.get(i, ()), reason)
    return found
