"""How stored values become brightness: windows and tables as in DICOM PS3.3, C.11.2. NumPy only.

Inversion (MONOCHROME1) and the modality LUT lie behind ``Radiograph.stored``; here a film is only looked up
in one table, so that a window costs the same for 8 and for 16 bits and nothing is rounded to 8 bits before.
"""

from __future__ import annotations

import numpy as np

from medcore.imaging.radiograph import Radiograph, VoiFunction, Window

__all__ = ["make_table", "render"]


def render(film: Radiograph, window: Window | None = None) -> np.ndarray:
    """Turn a film into brightness.

    Parameters
    ----------
    film : Radiograph
        Any film.
    window : Window, optional
        How to show it; by default the film's own VOI table if it has one, else its first window.

    Returns
    -------
    array of float32, shape (rows, columns)
        0 = black, 1 = white.
    """
    if window is None and film.voi_table is not None:
        table = film.voi_table.astype(np.float32) / np.float32(65535)
    else:
        table = make_table(window or film.windows[0], film.bits)
    return np.take(table, film.stored)


def make_table(window: Window, bits: int) -> np.ndarray:
    """Compute the brightness of every stored value.

    Returns
    -------
    array of float32, shape (2 ** bits,)
        0 = black, 1 = white; never falls.

    Examples
    --------
    >>> [round(float(value), 2) for value in make_table(Window(center=2, width=4), bits=2)]
    [0.0, 0.33, 0.67, 1.0]
    >>> [float(value) for value in make_table(Window(center=2, width=4, function=VoiFunction.LINEAR_EXACT), bits=2)]
    [0.0, 0.25, 0.5, 0.75]
    """
    stored = np.arange(1 << bits, dtype=np.float64)
    if window.function is VoiFunction.SIGMOID:
        with np.errstate(over="ignore"):
            return (1.0 / (1.0 + np.exp(-4.0 * (stored - window.center) / window.width))).astype(np.float32)
    if window.function is VoiFunction.LINEAR_EXACT:
        center, width = window.center, window.width
    else:
        center, width = window.center - 0.5, window.width - 1.0
    if width <= 0:
        return (stored > center).astype(np.float32)
    return np.clip((stored - center) / width + 0.5, 0.0, 1.0).astype(np.float32)
