"""Restating a risk for another prevalence (label shift): only where the findings mean the same there."""

from __future__ import annotations

from medcore.errors import InputError
from medcore.evaluation.prevalence import restate

__all__ = ["restate_risk"]


def restate_risk(p: float, base_rate: float, prevalence: float) -> float:
    """Return the risk where the outcome has ``prevalence`` instead of the study's ``base_rate``.

    The odds are multiplied by the ratio of the prevalence odds (Bayes), which needs the same findings
    given disease and given no disease in both places. All arguments are fractions; ``p`` may be 0 or 1.

    Raises
    ------
    InputError
        ``base_rate`` or ``prevalence`` is not strictly between 0 and 1.

    Examples
    --------
    >>> round(restate_risk(0.62, 0.46, 0.24), 2)
    0.38
    """
    for name, value in (("base rate", base_rate), ("prevalence", prevalence)):
        if not 0.0 < value < 1.0:
            raise InputError(
                f"{name} {value:g} is not possible: between 0 and 100 %, both excluded", field=name, value=value
            )
    return float(restate([p], studied=base_rate, local=prevalence)[0])
