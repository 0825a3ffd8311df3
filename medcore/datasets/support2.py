"""SUPPORT2: seriously ill hospitalised adults, death within 180 days."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medcore.datasets.files import age_band, code_column, null_outside, number_column, read_checked, read_columns
from medcore.datasets.table import Provenance, TrainingTable

__all__ = ["DISEASE_GROUPS", "SUPPORT2_FIELDS", "load_support2_table"]

#: Disease groups of the study: word in our files -> (code, word in the source).
DISEASE_GROUPS: dict[str, tuple[int, str]] = {
    "sepsis_mosf": (1, "ARF/MOSF w/Sepsis"),
    "chf": (2, "CHF"),
    "copd": (3, "COPD"),
    "cirrhosis": (4, "Cirrhosis"),
    "coma": (5, "Coma"),
    "colon_cancer": (6, "Colon Cancer"),
    "lung_cancer": (7, "Lung Cancer"),
    "mosf_malignancy": (8, "MOSF w/Malig"),
}

# Input -> column of the source, lowest and highest believable value. Outside: artefacts, read as missing.
_NUMBERS: dict[str, tuple[str, float, float]] = {
    "age_years": ("num_age", 18, 120),
    "day_of_stay": ("num_hday", 1, 365),
    "comorbidity_count": ("num_num_co", 0, 9),
    "mean_bp_mmhg": ("num_meanbp", 10, 250),
    "heart_rate_bpm": ("num_hrt", 10, 300),
    "respiratory_rate": ("num_resp", 2, 90),
    "temperature_c": ("num_temp", 25, 45),
    "pao2_fio2_mmhg": ("num_pafi", 20, 700),
    "albumin_g_dl": ("num_alb", 0.5, 7),
    "bilirubin_mg_dl": ("num_bili", 0.1, 80),
    "creatinine_mg_dl": ("num_crea", 0.1, 40),
    "sodium_mmol_l": ("num_sod", 90, 200),
    "arterial_ph": ("num_ph", 6.5, 8),
    "wbc_10e9_l": ("num_wblc", 0, 500),
    "glucose_mg_dl": ("num_glucose", 10.5, 2000),
    "urea_nitrogen_mg_dl": ("num_bun", 1, 300),
    "urine_ml_day": ("num_urine", 0, 15000),
    "coma_support": ("num_scoma", 0, 100),
}
_CODES: dict[str, tuple[str, dict[str, int]]] = {
    "sex": ("fac_sex", {"female": 0, "male": 1}),
    "disease_group": ("fac_dzgroup", {word: code for code, word in DISEASE_GROUPS.values()}),
    "cancer": ("fac_ca", {"no": 0, "yes": 1, "metastatic": 2}),
    "dementia": ("fac_dementia", {"0": 0, "1": 1}),
    "diabetes": ("fac_diabetes", {"0": 0, "1": 1}),
}
SUPPORT2_FIELDS: tuple[str, ...] = (
    "disease_group",
    "age_years",
    "day_of_stay",
    "sex",
    "cancer",
    "dementia",
    "diabetes",
    "comorbidity_count",
    "mean_bp_mmhg",
    "heart_rate_bpm",
    "respiratory_rate",
    "temperature_c",
    "pao2_fio2_mmhg",
    "arterial_ph",
    "creatinine_mg_dl",
    "urea_nitrogen_mg_dl",
    "sodium_mmol_l",
    "glucose_mg_dl",
    "albumin_g_dl",
    "bilirubin_mg_dl",
    "wbc_10e9_l",
    "urine_ml_day",
    "coma_support",
)

_FILE = "support2.csv.gz"
_SHA256 = "cd53a47f4725a00bc2be52083480ae86db4904a9d67849a5a31f4fd79041c83d"
_HORIZON_DAYS = 180
_DECIMALS = 3  # the source went through short floats: 0.1 is stored as 0.09999084


def load_support2_table(data_dir: Path) -> TrainingTable:
    """Load SUPPORT2 for the question of death within 180 days.

    Notes
    -----
    Rows: 7,284 seriously ill adults (a random 80 % of the published 9,105), five US centres,
    1989-1994, one of eight disease groups. Fields: 23, from study day 3; values are the most
    abnormal of the day. Units: years, days, mmHg, per minute, degrees Celsius, mg/dL, g/dL, mmol/L,
    10^9/L, mL/day; coma on the study's own scale 0-100 (100 = deepest).
    Endpoint: death within 180 days of study entry; nobody alive was followed for less.
    Events: 3,386 (46.5 %).
    Read as missing: zeros in mean pressure (39), heart rate (63) and breathing (52), single digits
    there (2 and 3), PaO2/FiO2 above 700 (5) or below 20 (1), albumin 29 (1), glucose of 10 or less (6).
    Kept: urine 0 (anuria), white cells near 0 (aplasia).
    Never inputs: prognostic scores (sps, surv2m, surv6m), do-not-resuscitate and functional status (recorded after
    entry), race, income, education, and activities of daily living (asked of some only).
    Groups: disease_group, sex, age_band.
    Licence: CC BY 4.0. Source: UCI 880, doi:10.3886/ICPSR02957.v2; Knaus et al. 1995,
    doi:10.7326/0003-4819-122-3-199502010-00007.
    SHA-256: cd53a47f4725a00bc2be52083480ae86db4904a9d67849a5a31f4fd79041c83d.

    Parameters
    ----------
    data_dir : Path
        Folder that holds ``support2/``.

    Raises
    ------
    TableError
        The file is absent or altered.
    """
    path = data_dir / "support2" / _FILE
    columns = read_columns(read_checked(path, _SHA256, "the UCI Machine Learning Repository (id 880)"))
    values = {
        name: null_outside(number_column(columns[source], _DECIMALS), lo, hi)
        for name, (source, lo, hi) in _NUMBERS.items()
    }
    values |= {name: code_column(columns[source], codes) for name, (source, codes) in _CODES.items()}
    died = number_column(columns["event"]) == 1
    y = (died & (number_column(columns["time"]) <= _HORIZON_DAYS)).astype(np.int64)
    words = {code: word for word, (code, _) in DISEASE_GROUPS.items()}
    return TrainingTable(
        field_names=SUPPORT2_FIELDS,
        X=np.column_stack([values[name] for name in SUPPORT2_FIELDS]),
        y=y,
        eligible=np.ones(len(y), dtype=bool),
        groups={
            "disease_group": np.array([words[int(code)] for code in values["disease_group"]]),
            "sex": np.where(values["sex"] == 1, "male", "female"),
            "age_band": age_band(values["age_years"], (45, 65, 80)),
        },
        provenance=Provenance(
            name="SUPPORT2",
            origin="UCI Machine Learning Repository 880; Study to Understand Prognoses and Preferences, 1989-1994",
            licence="CC BY 4.0",
            doi="10.3886/ICPSR02957.v2",
            sha256={_FILE: _SHA256},
        ),
    )
