"""A chest-like picture drawn by code: for trying the page without a film, and for self-tests of models.

It shows no person, and a model's score on it means nothing. Equal seeds give equal pixels on every machine;
released bundles hold the scores of some of them, so the drawing must not change.
"""

from __future__ import annotations

import hashlib
import io

import numpy as np

from medcore.imaging.display import render
from medcore.imaging.radiograph import Radiograph, Window

__all__ = ["PHANTOM_NOTE", "make_phantom", "phantom_png"]

PHANTOM_NOTE = "synthetic picture drawn by code: no patient, and no score on it means anything"
_BITS = 12


def make_phantom(seed: int = 0, rows: int = 1200, columns: int = 1000) -> Radiograph:
    """Draw a phantom: trunk, two lungs, heart, spine, ribs, clavicles and noise, each a little different per seed.

    Examples
    --------
    >>> phantom = make_phantom(rows=120, columns=100)
    >>> phantom.shape, phantom.bits, phantom.view
    ((120, 100), 12, None)
    """
    random = np.random.default_rng(seed)
    wobble = random.uniform(-1.0, 1.0, 12)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    y, x = y / np.float32(rows) * 2 - 1, x / np.float32(columns) * 2 - 1
    brightness = _draw_trunk(x, y, wobble)
    brightness = brightness + _draw_bones(x, y, wobble)
    brightness = brightness + random.normal(0.0, 0.012, (rows, columns)).astype(np.float32)
    top = (1 << _BITS) - 1
    stored = np.round(np.clip(brightness, 0.0, 1.0) * (0.9 * top)).astype(np.uint16)
    return Radiograph(
        stored=stored,
        bits=_BITS,
        windows=(Window(center=1850, width=3700, name="Whole range"), Window(center=1200, width=2000, name="Lung")),
        format="PHANTOM",
        photometric="MONOCHROME2",
        pixel_sha256=hashlib.sha256(repr(stored.shape).encode() + stored.tobytes()).hexdigest(),
        provenance=(f"drawn by code, seed {seed}",),
        notes=(PHANTOM_NOTE,),
    )


def phantom_png(seed: int = 0, rows: int = 1200, columns: int = 1000) -> bytes:
    """Return the phantom as an 8-bit PNG with its name written into the picture. Needs Pillow."""
    from PIL import Image, ImageDraw  # the process that serves pages does not load it

    picture = Image.fromarray(np.round(render(make_phantom(seed, rows, columns)) * 255).astype(np.uint8))
    ImageDraw.Draw(picture).text((rows // 60, rows // 60), "SYNTHETIC PHANTOM", fill=255, font_size=rows // 40)
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


def _draw_trunk(x: np.ndarray, y: np.ndarray, wobble: np.ndarray) -> np.ndarray:
    """Return soft tissue with air-filled lungs and the heart in front of them."""
    trunk = 0.62 * _ellipse(x, y, center=(0.0, 0.35), radii=(0.93, 1.45), edge=14)
    neck = 0.5 * _ellipse(x, y, center=(0.0, -1.0), radii=(0.28, 0.5), edge=10)
    brightness = np.maximum(trunk, neck)
    for side, (dx, dy, dr) in ((-1, wobble[0:3]), (1, wobble[3:6])):
        lung = _ellipse(
            x, y, center=(side * (0.43 + 0.02 * dx), -0.05 + 0.03 * dy), radii=(0.32 + 0.02 * dr, 0.62), edge=12
        )
        dome = _ellipse(x, y, center=(side * 0.45, 0.78 + 0.04 * dy), radii=(0.5, 0.38), edge=14)
        brightness = brightness - 0.44 * lung * (1 - dome)
    heart = _ellipse(x, y, center=(0.14, 0.22 + 0.03 * wobble[6]), radii=(0.3 + 0.03 * wobble[7], 0.3), edge=9)
    mediastinum = _ellipse(x, y, center=(0.0, -0.1), radii=(0.16, 1.0), edge=7)
    trunk_and_heart: np.ndarray = np.maximum(brightness, 0.66 * np.maximum(heart, 0.9 * mediastinum))
    return trunk_and_heart


def _draw_bones(x: np.ndarray, y: np.ndarray, wobble: np.ndarray) -> np.ndarray:
    """Return what bones add: spine, ribs and clavicles."""
    inside = _ellipse(x, y, center=(0.0, 0.2), radii=(0.86, 1.15), edge=12)
    spine = 0.16 * np.exp(-((x / 0.09) ** 2)) * (0.8 + 0.2 * np.cos(28 * y))
    arch = y + 0.32 * np.abs(x) ** 1.6 - 0.12 * np.abs(x) + 0.02 * wobble[8]
    ribs = 0.09 * np.clip(np.cos((27 + wobble[9]) * arch) - 0.35, 0, None) * (np.abs(x) > 0.1)
    clavicle = 0.13 * np.exp(-(((y + 0.68 + 0.22 * np.abs(x) + 0.01 * wobble[10]) / 0.025) ** 2)) * (np.abs(x) < 0.7)
    bones: np.ndarray = inside * (spine + ribs + clavicle)
    return bones


def _ellipse(
    x: np.ndarray, y: np.ndarray, *, center: tuple[float, float], radii: tuple[float, float], edge: float
) -> np.ndarray:
    """Return 1 inside, 0 outside, with a soft edge (larger = sharper)."""
    distance = np.sqrt(((x - center[0]) / radii[0]) ** 2 + ((y - center[1]) / radii[1]) ** 2)
    soft: np.ndarray = 1.0 / (1.0 + np.exp(np.clip((distance - 1.0) * edge * 4, -40, 40)))
    return soft
