"""Malignancy of a needle aspirate of a breast mass (Wisconsin Diagnostic)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from medcore.conditions.condition import CardText, Condition, Example, Findings, PrevalencePolicy, Values
from medcore.conditions.shared import ADULT_YEARS, age_field, age_limit, conflict, range_words
from medcore.datasets.breast_cancer import MEASURES, STATISTICS, load_breast_cancer_table
from medcore.errors import FieldError
from medcore.records import Field, Role, Schema
from medcore.results import Reason

__all__ = ["CONDITION"]

_FIT = "Does this patient fit?"
_GROUPS = {"mean": "Mean of all nuclei", "se": "Standard error", "worst": "Worst (mean of the three largest)"}
_PREFIX = {"mean": "Mean", "se": "SE of", "worst": "Worst"}

# Measure -> unit, decimals, what it is, possible range of mean and worst, highest possible standard error.
# The slides were digitised, so lengths are pixels of that set-up; possible ranges are about three times what was seen.
_MEASURES: dict[str, tuple[str, int, str, tuple[float, float], float]] = {
    "radius": ("px", 1, "Distance from the centre to the outline.", (2, 100), 10),
    "texture": ("", 1, "Standard deviation of the grey values.", (1, 150), 20),
    "perimeter": ("px", 1, "Length of the outline.", (12, 750), 75),
    "area": ("px2", 0, "Area inside the outline.", (12, 30000), 2000),
    "smoothness": ("", 4, "Local variation of the radius: higher = rougher.", (0.01, 0.7), 0.1),
    "compactness": ("", 4, "Perimeter squared over area, less a constant: higher = less round.", (0, 4), 0.5),
    "concavity": ("", 4, "Depth of the dents of the outline.", (0, 4), 1.5),
    "concave_points": ("", 4, "Share of the outline that lies in dents.", (0, 1), 0.2),
    "symmetry": ("", 4, "Difference of lengths across the longest axis.", (0.02, 2), 0.3),
    "fractal_dimension": ("", 4, "Roughness of the outline at several scales, less 1.", (0.01, 0.7), 0.1),
}
# Required: the three measures with which the study's own classifier (one plane) reached 97.5 % in cross-validation
# (Street, Wolberg and Mangasarian 1993). The image program gives all thirty at once, so blanks are rare.
_REQUIRED = frozenset({"texture_mean", "area_worst", "smoothness_worst"})
# Skewed to the right with a floor of 0: logarithm, with an offset where 0 occurs.
_LOG_OFFSET = {"concavity": 0.01, "concave_points": 0.005}
# Repeat error of outlining the same slide twice: a few per cent for sizes, more for shape; not published for these
# slides, so a round figure that is rather large (relative, 1 SD).
_NOISE_CV = {"radius": 0.03, "perimeter": 0.03, "area": 0.06, "texture": 0.05}
_NOISE_CV_SHAPE = 0.08


def _measure_field(measure: str, statistic: str) -> Field:
    unit, decimals, meaning, possible, highest_se = _MEASURES[measure]
    name = f"{measure}_{statistic}"
    spread = statistic == "se"
    label = f"{_PREFIX[statistic]} {measure.replace('_', ' ')}"
    return Field(
        name=name,
        label=label,
        group=_GROUPS[statistic],
        unit=unit,
        unit_aliases=("pixel", "pixels") if unit == "px" else (("px²", "px^2", "pixels2") if unit == "px2" else ()),
        possible=(0, highest_se) if spread else possible,
        decimals=decimals + 1 if spread and decimals < 4 else decimals,
        required=name in _REQUIRED,
        help=f"{meaning} {_GROUPS[statistic]}, as the image program of the study gives it.",
        paste_names=(label.lower(), f"{measure.replace('_', ' ')} {statistic}", name),
        transform="log",
        log_offset=_LOG_OFFSET.get(measure, 0.0) * (0.5 if spread else 1.0),
        noise_cv=_NOISE_CV.get(measure, _NOISE_CV_SHAPE),
        gap_informative=False,
    )


_SCHEMA = Schema(
    (
        age_field(_FIT, required=False, role=Role.QUESTION),
        *(_measure_field(measure, statistic) for statistic in STATISTICS for measure in MEASURES),
    )
)
# Area against pi r^2 and outline against 2 pi r: in every slide of the study within 0.81-1.07 and 0.98-1.23.
_SHAPE_LIMITS = {"area": (0.5, 1.5), "perimeter": (0.75, 2.0)}


def _derive(values: Values) -> dict[str, float]:
    return {}


def _cross_check(values: Values) -> Findings:
    errors: list[FieldError] = []
    for statistic in ("mean", "worst"):
        errors += _check_shape(values, statistic)
    for measure in MEASURES:
        mean, worst = values.get(f"{measure}_mean"), values.get(f"{measure}_worst")
        named = any(error.field == f"{measure}_worst" for error in errors)
        if mean is not None and worst is not None and worst < mean and not named:
            label = _SCHEMA[f"{measure}_worst"].label
            errors.append(conflict(f"{measure}_worst", f"{label} {worst:g} is below the mean {mean:g}.", worst))
    return Findings(errors=tuple(errors))


def _check_shape(values: Values, statistic: str) -> list[FieldError]:
    """Sizes of one outline must fit each other: a factor apart means another unit."""
    radius = values.get(f"radius_{statistic}")
    if radius is None:
        return []
    expected = {"area": math.pi * radius**2, "perimeter": 2 * math.pi * radius}
    errors: list[FieldError] = []
    for measure, (lo, hi) in _SHAPE_LIMITS.items():
        name = f"{measure}_{statistic}"
        value = values.get(name)
        if value is None or lo <= value / expected[measure] <= hi:
            continue
        message = (
            f"{_SCHEMA[name].label} {value:g} does not fit the radius {radius:g} (a circle has "
            f"{expected[measure]:.0f}). Is one of them in another unit?"
        )
        errors.append(conflict(name, message, value))
    return errors


def _population_limits(values: Values) -> tuple[Reason, ...]:
    return age_limit(values, ADULT_YEARS, "the model")


def _sentence(p: str, lo: str, hi: str) -> str:
    return (
        f"Estimated chance that **this needle aspirate is malignant**: **{p}** (range {range_words(lo, hi)}), "
        "on the study's mix (37 % malignant). The pathologist's diagnosis decides."
    )


def _bar_notes(values: Values, contributions: Mapping[str, float]) -> dict[str, str]:
    return {}


def _example(means: str, errors: str, worsts: str) -> dict[str, str]:
    texts = [*means.split(), *errors.split(), *worsts.split()]
    names = [f"{measure}_{statistic}" for statistic in STATISTICS for measure in MEASURES]
    return dict(zip(names, texts, strict=True))


# Made up: round numbers near the middle of each kind, whose sizes fit each other.
_BENIGN = _example(
    "12.2 17.6 78.5 462 0.092 0.079 0.045 0.025 0.174 0.0625",
    "0.28 1.20 2.0 21 0.0071 0.021 0.025 0.0098 0.020 0.0036",
    "13.4 23.4 87 556 0.124 0.18 0.165 0.074 0.270 0.079",
)
_MALIGNANT = _example(
    "17.6 21.7 116 975 0.103 0.146 0.162 0.088 0.193 0.0627",
    "0.61 1.20 4.3 72 0.0068 0.032 0.042 0.015 0.0205 0.0041",
    "21.2 29.4 142 1420 0.145 0.375 0.452 0.183 0.324 0.0915",
)
_BETWEEN = _example(
    "14.3 18.6 93.5 638 0.098 0.105 0.084 0.047 0.182 0.0622",
    "0.38 1.18 2.7 34 0.0068 0.026 0.032 0.012 0.0195 0.0037",
    "16.2 24.6 107 806 0.136 0.265 0.285 0.122 0.292 0.085",
)

CONDITION = Condition(
    id="breast_cancer",
    title="Malignant needle aspirate (breast mass)",
    outcome="the breast mass is malignant",
    outcome_short="malignant aspirate",
    schema=_SCHEMA,
    aliases=("wdbc", "breast"),
    derive=_derive,
    cross_check=_cross_check,
    population_limits=_population_limits,
    sentence=_sentence,
    bar_notes=_bar_notes,
    load_training=load_breast_cancer_table,
    examples=(
        Example(name="Small even nuclei", teaches="Benign-like: a low estimate.", values=_BENIGN),
        Example(name="Large dented nuclei", teaches="Malignant-like: a high estimate.", values=_MALIGNANT),
        Example(
            name="In between",
            teaches="Neither kind: the estimate is unsure and its range wide.",
            values=_BETWEEN,
            expects="wide",
        ),
        Example(
            name="One altered unit",
            teaches="Worst area in other units than the radius: no score until it is cleared up.",
            values={**_BENIGN, "area_worst": "55.6"},
            expects="withheld",
        ),
    ),
    prevalence=PrevalencePolicy(
        allowed=True,
        reason=(
            "Bayes' rule applies if malignant (and benign) aspirates look alike in both places. A laboratory that sees "
            "earlier cancers, or digitises differently, breaks this."
        ),
    ),
    # Size is one quantity in three fields (radius, perimeter, area): sweeping one of them alone means nothing.
    swept_fields=(
        "texture_mean",
        "smoothness_worst",
        "concave_points_worst",
        "concavity_worst",
        "symmetry_worst",
    ),
    card=CardText(
        purpose=(
            "Second reading of a fine-needle aspirate of a breast mass from thirty measurements of its cell nuclei. "
            "The pathologist's diagnosis decides."
        ),
        population="Women with a palpable breast mass, University of Wisconsin Hospitals, before 1995.",
        not_for=(
            "Other samples (core biopsy, nipple discharge, lymph nodes), screening, images digitised in another "
            "set-up, under 18 years, deciding against a biopsy."
        ),
        limits=(
            "569 aspirates of one centre, one image program, one magnification: measurements of another program are on "
            "another scale. No age, sex or site is recorded, so it is unknown how the score differs between groups."
        ),
    ),
    facts_line="Wisconsin Diagnostic, 569 aspirates, one US centre",
    references=(
        "Street WN, Wolberg WH, Mangasarian OL. Nuclear feature extraction for breast tumor diagnosis. Proc SPIE "
        "1993;1905:861-870. doi:10.1117/12.148698",
        "Wolberg WH, Street WN, Mangasarian OL. Machine learning techniques to diagnose breast cancer from fine-needle "
        "aspirates. Cancer Lett 1994;77:163-171.",
    ),
)
