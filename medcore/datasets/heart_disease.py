"""UCI heart disease data, Cleveland and Hungarian centres."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medcore.datasets.files import age_band, number_column, read_checked, read_columns
from medcore.datasets.table import Provenance, TrainingTable

__all__ = ["HEART_DISEASE_FIELDS", "load_heart_disease_table"]

HEART_DISEASE_FIELDS: tuple[str, ...] = (
    "age_years",
    "sex",
    "chest_pain_type",
    "systolic_mmhg",
    "cholesterol_mg_dl",
    "fasting_glucose_over_120",
    "resting_ecg",
    "max_heart_rate_bpm",
    "exercise_angina",
    "st_depression_mm",
    "st_slope",
    "fluoroscopy_vessels",
    "thallium",
)

_FILES = {
    "processed.cleveland.data": "a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
    "processed.hungarian.data": "d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
}
_SITES = {"processed.cleveland.data": "Cleveland", "processed.hungarian.data": "Budapest"}
_COLUMNS = (*HEART_DISEASE_FIELDS, "diagnosis")
_ORIGIN = "the UCI Machine Learning Repository (id 45)"
# How sure the grade makes it that the patient belongs to the diseased; Budapest records only 0 and 1.
_TARGET_NONE, _TARGET_GRADE_1, _TARGET_HIGHER = 0.2, 0.5, 0.9
# A pressure or cholesterol of 0 was never measured.
_ZERO_IS_BLANK = ("systolic_mmhg", "cholesterol_mg_dl")


def load_heart_disease_table(data_dir: Path) -> TrainingTable:
    """Load the Cleveland and Hungarian centres of the UCI heart disease data.

    Notes
    -----
    Rows: 596 patients referred for coronary angiography, 1981-1987 (Cleveland 303, Budapest 293
    after dropping one duplicated row). Fields: 13; years, mmHg, mg/dL, beats/min, mm; choices as
    codes of the source. Endpoint: a narrowing of more than 50 % in a major vessel at angiography
    (diagnosis 1-4; the source calls 0 "less than 50 %"). Events: 245 (41.1 %): Cleveland 139,
    Budapest 106. Missing: vessels 294, thallium 267, slope 189, cholesterol 22, glucose 8, four others 1
    each, nearly all from Budapest. A 0 in cholesterol or pressure is read as missing.
    Groups: site, sex, age_band.
    Licence: CC BY 4.0. Source: doi:10.24432/C52P4X; Detrano et al. 1989, doi:10.1016/0002-9149(89)90524-9.
    SHA-256: Cleveland a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8,
    Hungarian d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796.

    Parameters
    ----------
    data_dir : Path
        Folder that holds ``heart_disease/``.

    Raises
    ------
    TableError
        A file is absent or altered.
    """
    parts = [_read_site(data_dir / "heart_disease" / name) for name in _FILES]
    rows = np.vstack([part for part, _ in parts])
    site = np.concatenate([sites for _, sites in parts])
    X, y = rows[:, :-1], (rows[:, -1] > 0).astype(np.int64)
    return TrainingTable(
        field_names=HEART_DISEASE_FIELDS,
        X=X,
        y=y,
        eligible=np.ones(len(y), dtype=bool),
        groups={
            "site": site,
            "sex": np.where(X[:, 1] == 1, "male", "female"),
            "age_band": age_band(X[:, 0], (45, 55, 65)),
        },
        target=_soft_target(rows[:, -1], site),
        strata=2 * y + (site == "Cleveland"),
        provenance=Provenance(
            name="UCI Heart Disease, Cleveland and Hungarian centres",
            origin="UCI Machine Learning Repository 45; Cleveland Clinic and Hungarian Institute of Cardiology",
            licence="CC BY 4.0",
            doi="10.24432/C52P4X",
            sha256=dict(_FILES),
        ),
    )


def _soft_target(grade: np.ndarray, site: np.ndarray) -> np.ndarray:
    """Grade the finding: a grade-1 vessel of Cleveland is learnt as borderline, and judged as disease."""
    positive = np.where((grade == 1) & (site == "Cleveland"), _TARGET_GRADE_1, _TARGET_HIGHER)
    return np.where(grade == 0, _TARGET_NONE, positive)


def _read_site(path: Path) -> tuple[np.ndarray, np.ndarray]:
    columns = read_columns(read_checked(path, _FILES[path.name], _ORIGIN), _COLUMNS)
    numbers = {name: number_column(texts) for name, texts in columns.items()}
    for name in _ZERO_IS_BLANK:
        numbers[name] = np.where(numbers[name] == 0, np.nan, numbers[name])
    rows = np.column_stack([numbers[name] for name in _COLUMNS])
    _, first = np.unique(np.nan_to_num(rows, nan=-1.0), axis=0, return_index=True)
    rows = rows[np.sort(first)]
    return rows, np.full(len(rows), _SITES[path.name])
