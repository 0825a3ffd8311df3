"""Learning from films: it learns, it goes on where it stopped, and changed films are still films."""

from dataclasses import replace

import numpy as np
import pytest

from medcore.models.film_nets import Block, Conv, NetPlan
from medcore.models.film_recipes import AugmentPlan, FilmRecipe, FilmSchedule

torch = pytest.importorskip("torch", reason="the extra train-image is not installed")

from medcore.models.film_augment import augment, equalise, resize_films  # noqa: E402
from medcore.models.film_learners import learn_films, name_device, predict_logits  # noqa: E402

PLAN = NetPlan(
    blocks=(
        Block(convs=(Conv(kernel=3, channels=8, stride=2, activation="relu6"),)),
        Block(
            convs=(Conv(kernel=3, channels=8, depthwise=True, activation="relu6"), Conv(kernel=1, channels=8)),
            skip=True,
        ),
        Block(convs=(Conv(kernel=1, channels=12, activation="relu"),)),
    ),
    drop_path=0.1,
)
RECIPE = FilmRecipe(
    plan=PLAN, schedule=FilmSchedule(phases=((16, 4), (32, 2)), batch_size=16, learning_rate=2e-2, decay=0.9)
)


def draw(n=96, seed=0):
    """Films with stripes, or with checks, or with neither."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    ramp = np.arange(32)
    stripes = np.tile(np.sin(ramp * 0.8), (32, 1))
    patterns = np.stack([np.zeros((32, 32)), stripes, stripes * stripes.T])
    films = 0.5 + 0.3 * patterns[y] + rng.normal(0, 0.05, (n, 32, 32))
    return (films.clip(0, 1) * 255).astype(np.uint8), y


def run(recipe=RECIPE, *, checkpoint=None, watch=lambda *told: None):
    films, y = draw()
    return learn_films(recipe, films, y, n_classes=3, seed=4, watch=watch, checkpoint=checkpoint)


def test_it_learns_and_tells_every_epoch():
    told = []
    net, seconds = run(watch=lambda epoch, size, loss, net: told.append((epoch, size, loss)))
    assert [(epoch, size) for epoch, size, _ in told] == [(1, 16), (2, 16), (3, 16), (4, 16), (5, 32), (6, 32)]
    assert told[-1][2] < told[0][2]
    assert seconds > 0
    films, y = draw(60, seed=9)
    logits = predict_logits(net, films, 32)
    assert logits[y == 2, 2].mean() > logits[y != 2, 2].mean()


def test_a_run_that_was_stopped_ends_where_it_would_have_ended(tmp_path):
    def stop_after_three(epoch, *told):
        if epoch == 3:
            raise InterruptedError

    path = tmp_path / "state.pt"
    with pytest.raises(InterruptedError):
        run(checkpoint=path, watch=stop_after_three)
    told = []
    gone_on, _ = run(checkpoint=path, watch=lambda epoch, *rest: told.append(epoch))
    assert told == [4, 5, 6]
    whole, _ = run()
    films, _ = draw(20, seed=8)
    gap = np.abs(predict_logits(gone_on, films, 32) - predict_logits(whole, films, 32)).max()
    assert gap < 0.3  # batches are shared out among threads, which add up in another order


def test_a_finished_run_is_taken_from_its_state(tmp_path):
    path = tmp_path / "state.pt"
    first, seconds = run(checkpoint=path)
    again, same = run(checkpoint=path, watch=pytest.fail)
    films, _ = draw(10)
    np.testing.assert_array_equal(predict_logits(first, films, 32), predict_logits(again, films, 32))
    assert same == seconds


def test_rare_classes_weigh_more():
    films, y = draw()
    y = np.where(np.arange(len(y)) < 90, 0, y)
    flat = replace(RECIPE, schedule=replace(RECIPE.schedule, balance=0.0, phases=((16, 2),)))
    weighed = replace(flat, schedule=replace(flat.schedule, balance=1.0))
    nets = [learn_films(r, films, y, n_classes=3, seed=0, watch=lambda *told: None)[0] for r in (flat, weighed)]
    shares = [np.exp(predict_logits(net, films, 16)) for net in nets]
    first = [(share[:, 0] / share.sum(axis=1)).mean() for share in shares]
    assert first[1] < first[0]


def test_films_are_resized_and_equalised():
    films, _ = draw(5)
    assert resize_films(films, 16).shape == (5, 1, 16, 16)
    assert torch.equal(resize_films(films, 32)[:, 0], torch.from_numpy(films))
    grey = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8)
    level = equalise(grey)
    assert int(level.min()) < 10
    assert int(level.max()) > 245


def test_changed_films_differ_and_stay_near_their_range():
    films = resize_films(draw(32)[0], 32)
    changed = augment(films, equalise(films), torch.Generator().manual_seed(1), AugmentPlan())
    assert changed.shape == films.shape
    assert torch.isfinite(changed).all()
    assert -0.5 < float(changed.min()) < float(changed.max()) < 1.5
    again = augment(films, equalise(films), torch.Generator().manual_seed(1), AugmentPlan())
    assert torch.equal(changed, again)


def test_without_changes_a_film_is_itself_or_its_mirror_image():
    still = AugmentPlan(**dict.fromkeys(AugmentPlan.__dataclass_fields__, 0.0))
    films = resize_films(draw(16)[0], 32)
    changed = augment(films, films, torch.Generator().manual_seed(1), still)
    plain = films.float() / 255
    for own, film in zip(changed, plain, strict=True):
        gap = min(float((own - film).abs().max()), float((own - film.flip(2)).abs().max()))
        assert gap < 1e-2


def test_the_device_has_a_name():
    assert name_device()
