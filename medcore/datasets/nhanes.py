"""NHANES 2017-2018 adults: undiagnosed diabetes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medcore.datasets.files import age_band, code_column, number_column, read_checked, read_columns
from medcore.datasets.table import Provenance, TrainingTable

__all__ = ["NHANES_FIELDS", "load_nhanes_table"]

NHANES_FIELDS: tuple[str, ...] = (
    "age_years",
    "sex",
    "height_cm",
    "bmi_kg_m2",
    "waist_cm",
    "systolic_mmhg",
    "diastolic_mmhg",
    "pulse_bpm",
    "total_cholesterol_mg_dl",
    "hdl_mg_dl",
    "ever_smoked_100",
    "sleep_hours",
    "sedentary_min_per_day",
)

_FILE = "adults_extract.csv"
_SHA256 = "e91ce448b107946d45ba309e84ab73d6a061151887391b105ef12bcef07f0097"
_HBA1C_DIABETES = 6.5  # %, American Diabetes Association criterion
_DAY_MIN = 1440.0
# An HbA1c of 6.4 % is closer to diabetes than one of 5.0 %: the target rises over this width (percentage points).
_HBA1C_WIDTH = 0.2
_TOLD_TARGET = 0.9
_TOLD_WEIGHT = 0.2  # diagnosed patients are treated and older in their disease: they help a little, not more


def load_nhanes_table(data_dir: Path) -> TrainingTable:
    """Load the adults of NHANES 2017-2018 for the question of undiagnosed diabetes.

    Notes
    -----
    Rows: 5,050 US adults of 20 years and more whose outcome can be known, out of 5,265; dropped are
    215 not told of diabetes and without HbA1c. Fields: 13; years (80 = 80 and over), cm, kg/m2, mmHg,
    beats/min, mg/dL, hours, minutes. Weight is in the file but not among the fields: height and BMI
    determine it, and one quantity must not be entered twice.

    Endpoint: HbA1c of 6.5 % or more. *Eligible* are the 4,214 with an HbA1c who did not say that a
    doctor had told them of diabetes (answers "no" 4,051, "borderline" 159, none 4): events 190 (4.5 %),
    of them 150 among "no" and 40 among "borderline". The other 836, who knew, are kept with y = 1 and are
    never eligible. Secondary outcome ``any_diabetes`` (told, or HbA1c >= 6.5 %): 1,026 of all 5,050 (20.3 %).
    HbA1c defines the outcome and is no input; race/ethnicity is a group to report by, never an input.
    Sitting time is taken as missing in the 20 persons whose sleep and sitting exceed 24 hours.
    Cross-sectional, without survey weights: not a population estimate and no forecast.
    Licence: public domain (US government). Source: CDC, National Center for Health Statistics; package nhanes 0.5.1.
    SHA-256: e91ce448b107946d45ba309e84ab73d6a061151887391b105ef12bcef07f0097.

    Parameters
    ----------
    data_dir : Path
        Folder that holds ``nhanes_2017_2018/``.

    Raises
    ------
    TableError
        The file is absent or altered.
    """
    path = data_dir / "nhanes_2017_2018" / _FILE
    columns = read_columns(read_checked(path, _SHA256, "CDC's NHANES 2017-2018 (see the project's data notes)"))
    numbers = {name: number_column(columns[name]) for name in NHANES_FIELDS if name != "sex"}
    numbers["sex"] = code_column(columns["sex"], {"female": 0, "male": 1})
    overfull = numbers["sleep_hours"] * 60 + numbers["sedentary_min_per_day"] > _DAY_MIN
    numbers["sedentary_min_per_day"] = np.where(overfull, np.nan, numbers["sedentary_min_per_day"])
    hba1c = number_column(columns["hba1c_pct"])
    told = np.array(columns["told_diabetes"]) == "yes"
    keep = told | ~np.isnan(hba1c)
    y = (told | (hba1c >= _HBA1C_DIABETES)).astype(np.int64)[keep]
    X = np.column_stack([numbers[name] for name in NHANES_FIELDS])[keep]
    told, hba1c = told[keep], hba1c[keep]
    target = _soft_target(hba1c, told)
    return TrainingTable(
        field_names=NHANES_FIELDS,
        X=X,
        y=y,
        eligible=~told,
        groups={
            "sex": np.where(X[:, 1] == 1, "male", "female"),
            "age_band": age_band(X[:, 0], (45, 65)),
            "race_ethnicity": np.array(columns["race_ethnicity"])[keep],
        },
        secondary={"any_diabetes": y.copy()},
        target=target,
        weight=np.where(told, _TOLD_WEIGHT, 1.0),
        strata=y + told,
        provenance=Provenance(
            name="NHANES 2017-2018, adults",
            origin="CDC, National Center for Health Statistics, through the package nhanes 0.5.1",
            licence="public domain (US government)",
            doi="",
            sha256={_FILE: _SHA256},
        ),
    )


def _soft_target(hba1c: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Grade how far the HbA1c lies beyond the criterion; the diagnosed stay diabetic whatever treatment did to it."""
    level = np.nan_to_num(hba1c, nan=_HBA1C_DIABETES)
    target = 1.0 / (1.0 + np.exp(-(level - _HBA1C_DIABETES) / _HBA1C_WIDTH))
    return np.asarray(np.where(told, np.maximum(target, _TOLD_TARGET), target))
