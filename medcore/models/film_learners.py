"""Learning from films: AdamW with warm-up and cosine, growing films, and the running mean of the weights.

A step's films are shared out among the CPU's cores, one thread each, which is faster than sharing out every operation;
on a GPU there is one worker. The network that counts is not the last one but the running mean of all, because single
ones jump from epoch to epoch (Polyak and Juditsky, 1992; Izmailov et al., 2018).
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name

from medcore.models.film_augment import augment, equalise, resize_films
from medcore.models.film_recipes import FilmRecipe
from medcore.models.film_torch import FilmNet
from medcore.models.lite import read_weights

__all__ = ["Watch", "learn_films", "name_device", "predict_logits"]

_MOST_GRADIENT = 2.0
_MIX_SHAPE = 0.4
_CHUNK = 64


Watch = Callable[[int, int, float, FilmNet], None]
"""Told after every epoch: its number from 1, the side of its films, its loss, and the mean network so far."""


def learn_films(
    recipe: FilmRecipe,
    films: np.ndarray,
    y: np.ndarray,
    *,
    n_classes: int,
    seed: int,
    watch: Watch,
    checkpoint: Path | None = None,
) -> tuple[FilmNet, float]:
    """Learn from uint8 films (n, h, w) with classes y (n,); returns the network of mean weights, and seconds.

    Parameters
    ----------
    checkpoint : Path, optional
        File that is written after every epoch, and gone on from where it exists: an interrupted run ends
        where it would have ended, also on another machine.
    """
    run = _Run(recipe, n_classes, seed, y)
    if checkpoint is not None and checkpoint.exists():
        run.load(checkpoint)
    size, pictures, levelled = 0, torch.empty(0), torch.empty(0)
    for epoch in range(run.epoch, recipe.schedule.epochs):
        started = time.perf_counter()
        if size != recipe.schedule.size_of(epoch):
            size = recipe.schedule.size_of(epoch)
            pictures = resize_films(films, size)
            levelled = equalise(pictures)
        loss = run.learn_epoch(epoch, pictures, levelled)
        run.seconds += time.perf_counter() - started
        if checkpoint is not None:
            run.save(checkpoint)
        watch(epoch + 1, size, loss, run.mean)
    return run.mean, run.seconds


def predict_logits(net: FilmNet, films: np.ndarray, size: int) -> np.ndarray:
    """Return logits (n, n_classes) of uint8 films (n, h, w) in full precision."""
    device = next(net.parameters()).device
    with torch.no_grad(), ThreadPoolExecutor(_count_workers(device)) as pool:

        def score(part: torch.Tensor) -> torch.Tensor:
            _use_one_thread(device)
            with torch.no_grad():
                return torch.as_tensor(net(_by_channel(net.look(part.float() / 255), device)).float().cpu())

        net.eval()
        parts = list(pool.map(score, resize_films(films, size).split(_CHUNK)))
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)


def name_device() -> str:
    """Say what networks learn on."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"CPU, {os.cpu_count()} cores"


class _Run:
    """The state of one run: network, mean network, optimiser, epochs done."""

    def __init__(self, recipe: FilmRecipe, n_classes: int, seed: int, y: np.ndarray) -> None:
        torch.manual_seed(seed)
        self.schedule, self.augmentation, self.seed, self.epoch = recipe.schedule, recipe.augmentation, seed, 0
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.seconds = 0.0
        net = FilmNet(recipe.plan, n_classes)
        if recipe.pretrained is not None:
            net.start_from(read_weights(recipe.pretrained))
        self.net = net.to(self.device, memory_format=torch.channels_last)
        self.mean = copy.deepcopy(self.net).requires_grad_(False).eval()
        self.parameters = list(self.net.parameters())
        groups = [
            {"params": [item for item in self.parameters if item.ndim > 1], "weight_decay": self.schedule.weight_decay},
            {"params": [item for item in self.parameters if item.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=self.schedule.learning_rate, foreach=True)
        self.y = torch.from_numpy(np.asarray(y, dtype=np.int64))
        counts = np.bincount(y, minlength=n_classes)
        weights = (counts.sum() / n_classes / np.maximum(counts, 1)) ** self.schedule.balance
        self.class_weights = torch.from_numpy(weights.astype(np.float32)).to(self.device)
        self.n_classes = n_classes
        self.n_workers = _count_workers(self.device)

    def learn_epoch(self, epoch: int, films: torch.Tensor, levelled: torch.Tensor) -> float:
        """Go once through all films, shape (n, 1, s, s); returns the mean loss."""
        self.net.train()
        size = min(self.schedule.batch_size, len(self.y))
        per_epoch = len(self.y) // size
        order = torch.from_numpy(np.random.default_rng([self.seed, epoch]).permutation(len(self.y)))
        randoms = [_make_generator(self.seed, epoch, k) for k in range(self.n_workers)]
        losses = 0.0
        with ThreadPoolExecutor(self.n_workers) as pool:
            for i in range(per_epoch):
                rows = order[i * size : (i + 1) * size]
                jobs = [
                    pool.submit(self._learn_rows, part, films[part], levelled[part], randoms[k])
                    for k, part in enumerate(rows.tensor_split(self.n_workers))
                    if len(part) > 1
                ]
                losses += self._step(epoch * per_epoch + i + 1, per_epoch, [job.result() for job in jobs])
        self.epoch = epoch + 1
        return losses / per_epoch

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on."""
        state = {
            "epoch": self.epoch,
            "seconds": self.seconds,
            "net": self.net.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        draft = path.with_suffix(".part")
        torch.save(state, draft)
        draft.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a file of :meth:`save`."""
        state = torch.load(path, weights_only=True, map_location=self.device)
        self.epoch, self.seconds = int(state["epoch"]), float(state["seconds"])
        self.net.load_state_dict(state["net"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _learn_rows(
        self, rows: torch.Tensor, films: torch.Tensor, levelled: torch.Tensor, random: torch.Generator
    ) -> tuple[float, tuple[torch.Tensor, ...]]:
        """Return loss and gradients of a worker's share of a batch."""
        _use_one_thread(self.device)
        pictures = self.net.look(augment(films, levelled, random, self.augmentation)).to(self.device)
        truth = self.y[rows].to(self.device)
        target = F.one_hot(truth, self.n_classes).float()
        target = target * (1 - self.schedule.smoothing) + self.schedule.smoothing / self.n_classes
        weight = self.class_weights[truth]
        if float(torch.rand(1, generator=random)) < self.schedule.mix:
            own, other = self._draw_blend(random), torch.randperm(len(rows), generator=random).to(self.device)
            pictures = pictures * own + pictures[other] * (1 - own)
            target = target * own + target[other] * (1 - own)
            weight = weight * own + weight[other] * (1 - own)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=_has_bfloat16(self.device)):
            logits = self.net(_by_channel(pictures, self.device))
        loss = -((F.log_softmax(logits.float(), 1) * target).sum(1) * weight).mean()
        return float(loss.detach()), torch.autograd.grad(loss, self.parameters)

    @staticmethod
    def _draw_blend(random: torch.Generator) -> float:
        seed = int(torch.randint(0, 1 << 30, (1,), generator=random))
        return float(np.random.default_rng(seed).beta(_MIX_SHAPE, _MIX_SHAPE))

    def _step(self, step: int, per_epoch: int, found: list[tuple[float, tuple[torch.Tensor, ...]]]) -> float:
        """Move the weights by the mean gradient, and the mean network a little after them."""
        rate = self.schedule.rate(step, per_epoch * self.schedule.epochs)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        for parameter, *gradients in zip(self.parameters, *(item[1] for item in found), strict=True):
            parameter.grad = torch.stack(gradients).mean(0) if len(gradients) > 1 else gradients[0]
        torch.nn.utils.clip_grad_norm_(self.parameters, _MOST_GRADIENT, foreach=True)
        self.optimiser.step()
        self.optimiser.zero_grad()
        gain = 1.0 - min(self.schedule.decay, (1 + step) / (20 + step))
        with torch.no_grad():
            own, mean = self.net.state_dict(), self.mean.state_dict()
            for name, value in mean.items():
                if value.dtype.is_floating_point:
                    value.lerp_(own[name], gain)
        return sum(loss for loss, _ in found) / len(found)


def _count_workers(device: torch.device) -> int:
    return (os.cpu_count() or 1) if device.type == "cpu" else 1


def _use_one_thread(device: torch.device) -> None:
    if device.type == "cpu":
        torch.set_num_threads(1)


def _make_generator(seed: int, epoch: int, worker: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, epoch, worker]).generate_state(1)[0]))


def _by_channel(pictures: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Order the memory as convolutions like it."""
    return pictures.to(device).contiguous(memory_format=torch.channels_last)


def _has_bfloat16(device: torch.device) -> bool:
    return device.type == "cuda" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
