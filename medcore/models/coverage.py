"""How wide the sampling interval must be: what the semi-synthetic study found for each bundle.

The study (:mod:`medcore.services.training.interval_study`) draws whole studies from a population whose risks are
known, trains the recipe on each, and looks how often the interval holds the risk that the same recipe
reaches with a very large study of that population. ``coverage.json`` keeps what it measured.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medcore.errors import ArtifactError

__all__ = ["COVERAGE_PATH", "Coverage", "find_coverage", "record_coverage"]

COVERAGE_PATH = Path(__file__).with_name("coverage.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the study found for one condition and recipe.

    Attributes
    ----------
    width : float
        Factor on the refits' deviations that reached the nominal coverage.
    coverage_plain, coverage : float
        Share of intervals that held the limit risk, with factor 1 and, on other simulated studies than
        those the factor was chosen on, with ``width``.
    n_studies, n_points : int
        Simulated studies, and test patients in each.
    level : float
        Nominal level.
    borrowed_from : str
        Another bundle whose figures these are, where this one's own study was out of reach; empty otherwise.
    """

    width: float
    coverage_plain: float
    coverage: float
    n_studies: int
    n_points: int
    level: float = 0.90
    borrowed_from: str = ""

    def describe(self) -> str:
        """Write the finding for the model card."""
        if self.borrowed_from:
            return (
                f"The {100 * self.level:.0f} % range is a sampling interval of this model's risk, from bootstrap "
                "refits of model and calibration. Its coverage has NOT been studied for this model (training takes "
                f"too long for simulated studies); the widening factor {self.width:.2f} is that of "
                f"{self.borrowed_from}, which covered {100 * self.coverage:.0f} %. Read the range with reserve."
            )
        return (
            f"The {100 * self.level:.0f} % range is a sampling interval of this model's risk: how far the estimate "
            "moves when model and calibration are rebuilt from resampled patients. It does not claim to hold one "
            f"patient's true risk. In {self.n_studies} simulated studies of this size with {self.n_points} test "
            "patients each (trained on plain outcomes), it held the risk that the same recipe reaches with a very "
            "large study in "
            f"{100 * self.coverage:.0f} % of cases ({100 * self.coverage_plain:.0f} % before widening by the factor "
            f"{self.width:.2f})."
        )


def find_coverage(condition: str, recipe: str) -> Coverage:
    """Return what the study found.

    Raises
    ------
    ArtifactError
        The study was not run for this condition and recipe.
    """
    rows = _read()
    try:
        row = rows[f"{condition}-{recipe}"]
        return Coverage(**row)
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"the interval study has not been run for {condition} {recipe}: run medcore train {condition} "
            f"--model {recipe} --study-intervals 6"
        ) from error


def record_coverage(condition: str, recipe: str, coverage: Coverage) -> None:
    """Keep what the study found."""
    rows = _read()
    rows[f"{condition}-{recipe}"] = asdict(coverage)
    COVERAGE_PATH.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _read() -> dict[str, dict[str, Any]]:
    if not COVERAGE_PATH.exists():
        return {}
    rows: dict[str, dict[str, Any]] = json.loads(COVERAGE_PATH.read_text(encoding="utf-8"))
    return rows
