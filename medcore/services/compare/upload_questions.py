"""Further questions about uploaded labelled rows, answered from the scores that are already there."""

from __future__ import annotations

from medcore.conditions.condition import Condition
from medcore.evaluation.differences import Difference, paired_differences
from medcore.records import FieldKind
from medcore.services.compare.labelled import LabelledUpload
from medcore.services.compare.measuring import MARGIN

__all__ = ["compare_upload", "describe_columns", "write_template"]


def compare_upload(
    upload: LabelledUpload, *, reference: str, cut_off: float, prevalence: float | None = None, margin: float = MARGIN
) -> tuple[Difference, ...]:
    """Compare every model with one reference on the uploaded rows.

    As :func:`medcore.services.compare.comparing.differences`.

    Raises
    ------
    InputError
        An unknown reference, or a cut-off, prevalence or margin that cannot be.
    """
    return paired_differences(
        upload.y,
        upload.p,
        reference=reference,
        cut_off=cut_off,
        prevalence=prevalence,
        groups=upload.patients,
        margin=margin,
    )


def describe_columns(condition: Condition) -> tuple[tuple[str, str, str], ...]:
    """Return name, label and what may stand in it for every column that the models read."""
    found = []
    for item in condition.schema.fields:
        if item.kind is FieldKind.CHOICE:
            content = ", ".join(choice.word for choice in item.choices)
        else:
            lo, hi = item.possible or (None, None)
            limits = "" if lo is None or hi is None else f"{lo:g} to {hi:g}"
            content = f"{limits} {item.unit}".strip()
        found.append((item.name, item.label, f"{content} (required)" if item.required else content))
    return tuple(found)


def write_template(condition: Condition) -> str:
    """Return the first line of a file: every field, then ``label``.

    Examples
    --------
    >>> from medcore.conditions.catalog import find_condition
    >>> write_template(find_condition("heart_disease")).strip().endswith(",thallium,label")
    True
    """
    return ",".join([*(item.name for item in condition.schema.fields), "label"]) + "\n"
