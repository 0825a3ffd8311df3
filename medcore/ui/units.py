"""Changing the unit of a value that is already typed: the number in the other unit, as text."""

from __future__ import annotations

import math

from medcore.errors import MedcoreError
from medcore.records import Field, Unit, parse_value

__all__ = ["convert_text", "next_unit"]

_STEPS = 200
_DIGITS = 4


def next_unit(item: Field, current: str) -> str:
    """Return the unit after ``current`` in the field's list, round and round."""
    units = item.units
    return units[(units.index(current) + 1) % len(units)] if current in units else units[0]


def convert_text(item: Field, text: str, unit: str, wanted: str) -> str | None:
    """Write ``text`` (in ``unit``) in the unit ``wanted``, four significant digits; None where that is impossible."""
    try:
        parsed = parse_value(item, text, unit)
    except MedcoreError:
        return None
    if parsed is None:
        return None
    number = _from_own_unit(item.find_unit(wanted), parsed.value)
    return None if number is None else f"{parsed.qualifier}{number:.{_DIGITS}g}"


def _from_own_unit(unit: Unit, value: float) -> float | None:
    if unit.convert is None:
        return (value - unit.offset) / unit.factor
    return _solve(unit, value)


def _solve(unit: Unit, value: float) -> float | None:
    """Invert a monotone conversion between 1e-6 and 1e9 by bisection on a logarithmic scale."""
    lo, hi = math.log(1e-6), math.log(1e9)
    rising = unit.to_canonical(math.exp(hi)) > unit.to_canonical(math.exp(lo))
    for _ in range(_STEPS):
        middle = (lo + hi) / 2
        if (unit.to_canonical(math.exp(middle)) < value) == rising:
            lo = middle
        else:
            hi = middle
    found = math.exp((lo + hi) / 2)
    return found if math.isclose(unit.to_canonical(found), value, rel_tol=1e-6, abs_tol=1e-6) else None
