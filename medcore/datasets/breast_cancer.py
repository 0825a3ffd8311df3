"""Wisconsin Diagnostic breast cancer data, as shipped inside scikit-learn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from medcore.datasets.files import read_checked
from medcore.datasets.table import Provenance, TrainingTable
from medcore.errors import TableError

__all__ = ["BREAST_CANCER_FIELDS", "MEASURES", "STATISTICS", "load_breast_cancer_table"]

#: The ten measures of a nucleus in the order of the file, and the three statistics over a slide.
MEASURES: tuple[str, ...] = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)
STATISTICS: tuple[str, ...] = ("mean", "se", "worst")
BREAST_CANCER_FIELDS: tuple[str, ...] = tuple(f"{measure}_{stat}" for stat in STATISTICS for measure in MEASURES)

_FILE = "breast_cancer.csv"
_SHA256 = "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed"


def load_breast_cancer_table(data_dir: Path | None = None) -> TrainingTable:
    """Load the Wisconsin Diagnostic breast cancer data.

    Notes
    -----
    Rows: 569 fine-needle aspirates of breast masses, one a patient. Fields: 30, ten measures of
    the cell nuclei (mean, standard error and mean of the three largest); lengths in pixels of the
    study's digitised slides, areas in square pixels, the others without unit. No value is missing.
    Endpoint: malignant (1) or benign (0), by biopsy or follow-up. Events: 212 (37.3 %).
    No age, sex or site is recorded, hence no subgroups.
    Licence: CC BY 4.0. Source: UCI Machine Learning Repository 17, doi:10.24432/C5DW2B;
    Street, Wolberg and Mangasarian 1993, doi:10.1117/12.148698.
    SHA-256 of the file: fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed.

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the file comes with scikit-learn.

    Raises
    ------
    TableError
        The installed scikit-learn has another file.
    """
    path = _packaged_file()
    content = read_checked(path, _SHA256, "a scikit-learn 1.9 installation")
    lines = content.decode("utf-8").splitlines()[1:]
    rows = np.array([line.split(",") for line in lines], dtype=np.float64)
    y = (rows[:, -1] == 0).astype(np.int64)  # the file codes malignant as 0
    return TrainingTable(
        field_names=BREAST_CANCER_FIELDS,
        X=rows[:, :-1],
        y=y,
        eligible=np.ones(len(y), dtype=bool),
        provenance=Provenance(
            name="Wisconsin Diagnostic breast cancer",
            origin="UCI Machine Learning Repository 17, University of Wisconsin 1995; file of scikit-learn",
            licence="CC BY 4.0",
            doi="10.24432/C5DW2B",
            sha256={_FILE: _SHA256},
        ),
    )


def _packaged_file() -> Path:
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise TableError(
            "scikit-learn is not installed, and the breast cancer data come with it. Install medcore[train]."
        )
    return Path(spec.origin).parent / "datasets" / "data" / _FILE
