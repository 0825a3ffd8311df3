"""A film survives the way through the pipe, and anything else is refused."""

import dataclasses
import datetime as dt
import json

import numpy as np
import pytest
from films import make_film

from medcore.errors import ImageError, WorkerError
from medcore.imaging import View, VoiFunction, Window
from medcore.imaging.handover import pack_film, unpack_film

FULL = make_film(
    np.arange(12).reshape(3, 4),
    windows=(Window(center=1.5, width=2, function=VoiFunction.SIGMOID, name="x"), Window(center=0, width=1)),
    voi_table=np.arange(256, dtype=np.uint16),
    spacing_mm=(0.1, 0.2),
    spacing_at="patient",
    view=View.PA,
    age_years=1.25,
    acquired_on=dt.date(2024, 2, 29),
    provenance=("a", "b"),
    notes=("c",),
)


def send(film):
    header, blobs = pack_film(film)
    return json.loads(json.dumps(header)), blobs


@pytest.mark.parametrize("film", [FULL, make_film(np.zeros((2, 2)))], ids=["full", "bare"])
def test_every_field_comes_back(film):
    back = unpack_film(*send(film))
    for field in dataclasses.fields(film):
        mine, theirs = getattr(film, field.name), getattr(back, field.name)
        assert np.array_equal(mine, theirs) if isinstance(mine, np.ndarray) else mine == theirs, field.name
        assert type(mine) is type(theirs), field.name


def spoil(**changes):
    header, blobs = send(FULL)
    return {**header, **changes}, blobs


@pytest.mark.parametrize(
    "changes",
    [{"shape": [30, 40]}, {"shape": None}, {"windows": [[1]]}, {"view": "UP"}, {"acquired_on": "soon"}, {"more": 1}],
    ids=repr,
)
def test_what_is_no_film_is_an_error_of_the_worker(changes):
    with pytest.raises(WorkerError, match="no film"):
        unpack_film(*spoil(**changes))


def test_contradictions_are_errors_of_the_film():
    with pytest.raises(ImageError):
        unpack_film(*spoil(bits=99))
    with pytest.raises(WorkerError):
        unpack_film({}, [])
