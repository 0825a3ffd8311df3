"""Made-up films for tests of the viewer."""

import numpy as np

from medcore.imaging.radiograph import VoiFunction, Window

WINDOWS = (
    Window(center=2048, width=4096, name="Whole"),
    Window(center=1500, width=900, name="Lung"),
    Window(center=2000, width=1500, function=VoiFunction.SIGMOID, name="Bone"),
)


def make_pixels(seed, rows=400, columns=500, top=4000):
    """Hills with noise: 12-bit values all over the range."""
    y, x = np.mgrid[0:rows, 0:columns] / max(rows, columns)
    hills = np.sin(7 * x + seed) * np.cos(5 * y) + np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) * 20)
    hills = (hills - hills.min()) / np.ptp(hills)
    noise = np.random.default_rng(seed).normal(0, 0.01, hills.shape)
    return (np.clip(hills + noise, 0, 1) * top).astype(np.uint16)
