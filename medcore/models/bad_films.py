"""Films and pictures that a model of children's chest films should not answer for, to measure its gate with.

:func:`make_bad_films` alters good films by code and draws the rest; :func:`load_other_films` reads what lies in the
public data: films of adults, a leg, a dog. Nothing here is learnt from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medcore.imaging.reader import read_image
from medcore.imaging.squash import film_tensor, squash

__all__ = ["MUST_CATCH", "load_other_films", "make_bad_films"]

MUST_CATCH = ("photographs", "noise", "blank", "clouds", "shuffled parts", "leg", "dog's thorax")
"""Kinds of which at least 95 of 100 must be withheld."""

_PARTS = 4
_ADULTS = "nih_chestxray14"
_DICOM = "dicom_samples"
_OTHERS = {
    "adult chest, DICOM": ("cr_chest_pa_monochrome1_uncompressed.dcm", "cr_chest_pa_monochrome2_jpegbaseline.dcm"),
    "leg": ("cr_lower_leg_jpeg2000.dcm",),
    "dog's thorax": ("dx_canine_thorax_monochrome1.dcm",),
}


def make_bad_films(films: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Return kinds of bad films by name, each float32 (n, size, size), 0..1.

    Parameters
    ----------
    films : float32 array, shape (n, size, size)
        Good films, 0..1; the size is a multiple of 8.
    seed : int
        Equal seeds give equal pictures.
    """
    rng = np.random.default_rng(seed)
    n, size = len(films), films.shape[-1]
    made = {
        "turned to the left": np.rot90(films, 1, (1, 2)),
        "turned to the right": np.rot90(films, -1, (1, 2)),
        "upside down": np.rot90(films, 2, (1, 2)),
        "mirrored": films[:, :, ::-1],
        "black and white exchanged": 1.0 - films,
        "half of a film": np.repeat(films[:, :, : size // 2], 2, axis=2),
        "shuffled parts": _shuffle(films, rng),
        "noise": rng.random((n, size, size)),
        "blank": np.clip(rng.random((n, 1, 1)) + rng.normal(0.0, 0.005, (n, size, size)), 0.0, 1.0),
        "clouds": np.stack([squash(part, size) for part in rng.random((n, 12, 12), dtype=np.float32)]),
        "photographs": _crop_photographs(n, size, rng),
    }
    return {kind: np.ascontiguousarray(pictures, dtype=np.float32) for kind, pictures in made.items()}


def load_other_films(data_dir: Path, size: int = 224) -> dict[str, np.ndarray]:
    """Return real films that the model does not know, by kind, as far as the public data are there.

    Notes
    -----
    ``nih_chestxray14`` (adults; Wang et al. 2017, doi:10.1109/CVPR.2017.369): 9 films of 1024 px, and 1,000 of
    64 px, whose blur alone gives them away. ``dicom_samples``: see its README.
    """
    found: dict[str, np.ndarray] = {}
    large = sorted((data_dir / _ADULTS / "png1024").glob("*.png"))
    if large:
        found["adult chest, 1024 px"] = _read(large, size)
    small = data_dir / _ADULTS / "nih_sample_64.npz"
    if small.is_file():
        with np.load(small, allow_pickle=False) as archive:
            pictures = archive["images"].astype(np.float32) / np.float32(255.0)
        found["adult chest, 64 px"] = np.stack([squash(picture, size) for picture in pictures])
    for kind, names in _OTHERS.items():
        paths = [path for name in names if (path := data_dir / _DICOM / name).is_file()]
        if paths:
            found[kind] = _read(paths, size)
    return found


def _read(paths: list[Path], size: int) -> np.ndarray:
    return np.stack([film_tensor(read_image(path), size) for path in paths])


def _shuffle(films: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut each film into 4 x 4 parts and put them back in another order."""
    n, size = len(films), films.shape[-1]
    side = size // _PARTS
    parts = films.reshape(n, _PARTS, side, _PARTS, side).swapaxes(2, 3).reshape(n, _PARTS**2, side, side)
    mixed = np.stack([part[rng.permutation(_PARTS**2)] for part in parts])
    return mixed.reshape(n, _PARTS, _PARTS, side, side).swapaxes(2, 3).reshape(n, size, size)


def _crop_photographs(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut pieces out of the two photographs that come with scikit-learn, grey by the mean of their colours."""
    from sklearn.datasets import load_sample_images

    photographs = [image.mean(axis=2).astype(np.float32) / np.float32(255.0) for image in load_sample_images().images]
    pieces = []
    for i in range(n):
        whole = photographs[i % len(photographs)]
        share = rng.uniform(0.4, 1.0)
        height, width = (round(share * side) for side in whole.shape)
        top, left = (
            int(rng.integers(0, side - part + 1)) for side, part in zip(whole.shape, (height, width), strict=True)
        )
        pieces.append(squash(whole[top : top + height, left : left + width], size))
    return np.stack(pieces)
