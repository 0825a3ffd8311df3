"""Films for tests, made in code."""

import numpy as np

from medcore.imaging import Radiograph, Window


def make_film(stored, *, bits=8, **fields):
    """Make a film of the given values; every field of a ``Radiograph`` can be set."""
    fields = {
        "windows": (Window(center=2 ** (bits - 1), width=2**bits),),
        "format": "DICOM",
        "photometric": "MONOCHROME2",
        "pixel_sha256": "0" * 64,
        **fields,
    }
    return Radiograph(stored=np.ascontiguousarray(stored, dtype=np.uint16), bits=bits, **fields)
