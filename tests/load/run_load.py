"""Load the dashboard with many sessions and say how it answers: ``python -m tests.load.run_load --help``.

A closed loop: each session thinks (5 s, give or take half), acts, and waits for the answer. Doctors change a field and
wait for risk and reasons; radiologists drop a film and wait until the page has it; it is opened and scored behind.
The server is a fresh one with the demo's data folder in a temporary place, unless ``--address`` names a running one.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medcore.errors import MedcoreError
from medcore.services.bench.bench_browser import Launcher
from medcore.services.bench.bench_films import make_jpeg
from medcore.services.bench.bench_memory import take_footprint
from tests.load.session import Session, describe

AGES = ("44", "51", "58", "63", "66", "69")
RISK = 'class="mc-number'
DROP = "drop_"


@dataclass
class Tally:
    """What the sessions of one kind saw: seconds from acting to the answer, and errors."""

    seconds: list = field(default_factory=list)
    faults: list = field(default_factory=list)

    def row(self):
        """Return p50, p95, p99 in seconds, and the counts."""
        shares = np.percentile(self.seconds, [50, 95, 99]).round(3).tolist() if self.seconds else [None] * 3
        names = ("p50_s", "p95_s", "p99_s")
        return {"n": len(self.seconds), "errors": len(self.faults), **dict(zip(names, shares, strict=True))}


async def be_doctor(address, think_s, seconds, tally, rng):
    """Fill in a made-up patient, then change the age again and again."""
    async with Session(address, query="condition=heart_disease") as page:
        await page.open()
        await page.choose("example", page.options["example"][0])
        await page.wait_for(RISK)
        age, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(think_s * rng.uniform(0.5, 1.5))
            age += 1
            taken_s = await page.type("age_years", AGES[age % len(AGES)])
            if not any(RISK in text for text in page.texts):
                raise MedcoreError("the answer holds no risk")
            tally.seconds.append(taken_s)


async def be_radiologist(address, think_s, seconds, tally, rng, n_films=1):
    """Drop films, again and again."""
    async with Session(address, page="xray") as page:
        await page.open()
        done, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            films = {f"film{done + i}.jpg": FILMS[(done + i) % len(FILMS)] for i in range(n_films)}
            done += n_films
            tally.seconds.append(await page.upload(DROP, films))
            await asyncio.sleep(think_s * rng.uniform(0.5, 1.5))


FILMS = []


async def run_sessions(address, n_doctors, n_radiologists, think_s, seconds, n_films=1):
    """Let sessions work side by side, each for ``seconds`` once its page is there; returns a tally for each kind."""
    tallies = {"doctor": Tally(), "radiologist": Tally()}

    async def guard(kind, work, delay):
        await asyncio.sleep(delay)
        try:
            await work
        except Exception as error:  # noqa: BLE001 - every fault counts, none stops the others
            tallies[kind].faults.append(describe(error))

    jobs = []
    for i in range(n_doctors + n_radiologists):
        rng = random.Random(i)
        if i < n_doctors:
            work = be_doctor(address, think_s, seconds, tallies["doctor"], rng)
            jobs.append(guard("doctor", work, think_s * i / (n_doctors + n_radiologists)))
        else:
            work = be_radiologist(address, think_s, seconds, tallies["radiologist"], rng, n_films)
            jobs.append(guard("radiologist", work, think_s * i / (n_doctors + n_radiologists)))
    await asyncio.gather(*jobs)
    return tallies


def report(name, tallies, pid, seconds, cpu_s):
    """Print one row for each kind and return them."""
    rows = []
    for kind, tally in tallies.items():
        if not tally.seconds and not tally.faults:
            continue
        row = {"run": name, "kind": kind, **tally.row(), "generator_cpu": round(cpu_s / seconds, 3)}
        if pid:
            row |= {key: round(getattr(take_footprint(pid), key), 1) for key in ("pss_mb", "n_threads", "n_files")}
        rows.append(row)
        print(json.dumps(row), flush=True)
        for fault in tally.faults[:3]:
            print("   ", fault, file=sys.stderr, flush=True)
    return rows


def measure(address, pid, name, **options):
    """Run one mix and report it, with the processor time that the load itself took."""
    start, cpu = time.monotonic(), time.process_time()
    tallies = asyncio.run(run_sessions(address, **options))
    return report(name, tallies, pid, time.monotonic() - start, time.process_time() - cpu), tallies


def soak(address, pid, options):
    """Run for minutes and compare the server with itself after a warm-up of a fifth of the time."""
    seconds = 60.0 * options.soak
    common = {"n_doctors": options.sessions[0], "n_radiologists": 0, "think_s": options.think}
    measure(address, pid, "warm-up", seconds=seconds / 5, **common)
    before = take_footprint(pid)
    measure(address, pid, "soak", seconds=seconds, **common)
    time.sleep(5)
    after = take_footprint(pid)
    growth = {
        "memory_growth": round(after.pss_mb / before.pss_mb - 1.0, 4),
        "threads": [before.n_threads, after.n_threads],
        "files": [before.n_files, after.n_files],
    }
    print(json.dumps({"run": "growth after warm-up", **growth}), flush=True)


def compare_with_films(address, pid, options):
    """One doctor alone, then beside a colleague who drops 200 films at once."""
    common = {"n_doctors": 1, "think_s": 1.0, "seconds": options.seconds}
    _, alone = measure(address, pid, "form alone", n_radiologists=0, **common)
    _, beside = measure(address, pid, "form beside 200 films", n_radiologists=1, n_films=200, **common)
    ratio = np.median(beside["doctor"].seconds) / np.median(alone["doctor"].seconds)
    print(json.dumps({"run": "form beside 200 films / form alone, p50", "ratio": round(float(ratio), 2)}), flush=True)


def read_options():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sessions", type=int, nargs="+", default=[1, 5, 20, 40], help="how many at once, one run each"
    )
    parser.add_argument("--mix", choices=("doctors", "radiologists", "both", "films"), default="doctors")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run")
    parser.add_argument("--think", type=float, default=5.0, help="seconds between answer and next action")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help="one long run of --sessions doctors")
    parser.add_argument("--address", help="a running demo server, http://host:port")
    parser.add_argument("--pid", type=int, help="its process, for memory")
    return parser.parse_args()


def run_all(address, pid, options):
    """Do what was asked for."""
    if options.mix != "doctors":
        FILMS.extend(make_jpeg(seed) for seed in range(4))
    if options.soak:
        soak(address, pid, options)
        return
    if options.mix == "films":
        compare_with_films(address, pid, options)
        return
    for n in options.sessions:
        films = {"doctors": 0, "radiologists": n, "both": n // 2}[options.mix]
        mix = {"n_doctors": n - films, "n_radiologists": films}
        measure(address, pid, f"{n} {options.mix}", think_s=options.think, seconds=options.seconds, **mix)


def main():
    """Start a server unless one is named, and load it."""
    options = read_options()
    if options.address:
        run_all(options.address, options.pid, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        launcher = Launcher("", Path(folder))
        with launcher.medcore() as address:
            run_all(address, launcher.pid, options)


if __name__ == "__main__":
    main()
