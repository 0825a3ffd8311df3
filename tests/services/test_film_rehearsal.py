"""The rehearsal: networks that learn without lookalikes, and what calibration and cut-offs learn from them."""

from dataclasses import replace

import numpy as np
import pytest

from medcore.conditions.catalog import find_film_condition
from medcore.datasets.chest_films import FilmTable
from medcore.datasets.table import Provenance
from medcore.inference.film_model import FilmModel
from medcore.models.film_nets import Block, Conv, NetPlan
from medcore.models.film_recipes import FilmRecipe, FilmSchedule, FilmTeaching

pytest.importorskip("torch", reason="the extra train-image is not installed")

from medcore.services.training.film_rehearsal import rehearse
from medcore.services.training.film_training import FilmStudy, train_film_recipe

PNEUMONIA = find_film_condition("pneumonia")
PARTS = {"train": 160, "validation": 80, "test": 60}
SIZE = 64
SCHEDULE = FilmSchedule(phases=((64, 3),), batch_size=16, learning_rate=1e-2, decay=0.9)
RECIPE = FilmRecipe(
    plan=NetPlan(
        blocks=(
            Block(convs=(Conv(kernel=3, channels=8, stride=2, activation="relu6"),)),
            Block(convs=(Conv(kernel=3, channels=12, stride=2, activation="relu6"),)),
        ),
        look="scaled",
    ),
    schedule=SCHEDULE,
    others=(FilmTeaching(schedule=replace(SCHEDULE, mix=0.0)),),
    rehearsal=((32, 3),),
)


@pytest.fixture(scope="module")
def table():
    """Lungs of noise, rougher the iller; a bright neck in ill children and in a third of the healthy ones."""
    rng = np.random.default_rng(0)
    n = sum(PARTS.values())
    patient = np.arange(n) // 2
    y = rng.integers(0, 3, len(patient))[patient]
    films = rng.normal(0.4, 0.04, (n, SIZE, SIZE))
    rough = rng.normal(0, 1, (n, SIZE // 4, SIZE // 4)).repeat(4, 1).repeat(4, 2)
    films += 0.06 * y[:, None, None] * rough
    films[(y > 0) | (patient % 3 == 0), :14, 24:40] += 0.3
    y = np.where(patient % 5 == 2, np.where(y > 0, 0, 1), y)  # some are read otherwise: no score is perfect
    return FilmTable(
        pixels=np.round(films.clip(0, 1) * 255).astype(np.uint8),
        y=y,
        path=np.array([f"{i}.jpeg" for i in range(n)]),
        part=np.repeat(list(PARTS), list(PARTS.values())),
        patient=np.array([f"p{i}" for i in patient]),
        width=np.where(np.arange(n) % 2, 1000 + np.arange(n), 0),
        height=np.where(np.arange(n) % 2, 900, 0),
        provenance=Provenance(name="Made-up films", origin="drawn", licence="none", doi="none", sha256={"a": "b"}),
    )


def test_it_learns_from_no_lookalike_and_no_test_film(table, tmp_path):
    found = rehearse(PNEUMONIA, table, RECIPE, 0, tmp_path / "state")
    assert not found.lookalike[(table.part == "test") | (table.y > 0)].any()
    healthy = (table.part != "test") & (table.y == 0)
    assert 0.25 < found.lookalike[healthy].mean() < 0.5
    ill_validation = (table.part == "validation") & (table.y > 0)
    assert len(found.y) == len(found.p) == found.lookalike.sum() + ill_validation.sum()
    assert found.y.sum() == ill_validation.sum()
    assert {path.name for path in tmp_path.iterdir()} == {"state-0.pt", "state-1.pt"}
    swapped = table.pixels.copy()
    swapped[table.part == "test"] = 255 - swapped[table.part == "test"]
    other = FilmTable(**{name: getattr(table, name) for name in table.__slots__} | {"pixels": swapped})
    again = rehearse(PNEUMONIA, other, RECIPE, 0, tmp_path / "state")
    np.testing.assert_array_equal(again.p, found.p)
    assert again.after == found.after


def test_a_bundle_of_two_networks_carries_the_rehearsal(table, tmp_path):
    told = []
    bundle = train_film_recipe(
        FilmStudy(condition=PNEUMONIA, table=table),
        "transfer",
        models_dir=tmp_path,
        seed=0,
        progress=told.append,
        recipe=RECIPE,
        checkpoints=tmp_path,
    )
    assert any("rehearsal without" in line for line in told)
    card = bundle.read_bytes("card.md").decode()
    for part in ("Then moved by a rehearsal", "2 networks", "; another ", "films of the rehearsal"):
        assert part in card
    again = rehearse(PNEUMONIA, table, RECIPE, 0, tmp_path / "pneumonia-transfer-rehearsal")
    model = FilmModel.load(bundle)
    assert model.calibrator.band_logit == again.after.band_logit
    assert model.network(np.full((1, SIZE, SIZE), 0.5, np.float32)).features.shape == (1, 24)
