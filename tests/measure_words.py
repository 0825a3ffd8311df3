"""Measure how often burned-in words are found: ``python tests/measure_words.py [N] [FOLDER]``.

Draws N made-up films (default 100) with and without words; with a folder of real films also says how many of those are
asked about. Prints a Markdown table.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from burned_words import burn, draw_cases, share_found

from medcore.errors import MedcoreError
from medcore.imaging import read_image
from medcore.imaging.burned_in import find_words

FONT_FOLDER = Path("/usr/share/fonts/truetype")


def measure_drawn(n: int) -> None:
    """Print hits by size of the words, and false alarms on the same films without them."""
    fonts = (None, *map(str, sorted(FONT_FOLDER.rglob("*.ttf"))[:12]))
    hits, alarms = defaultdict(list), []
    for film, words, box, size in draw_cases(n, seed=11, fonts=fonts):
        hits[size].append(share_found(find_words(words), box) > 0.5)
        alarms.append(bool(find_words(film)))
    print("| words of | found | of |\n|---|---|---|")
    for size in sorted(hits):
        print(f"| {size} px | {sum(hits[size])} | {len(hits[size])} |")
    every = [hit for found in hits.values() for hit in found]
    print(f"| all | {sum(every)} | {len(every)} |\n| films without words asked about | {sum(alarms)} | {len(alarms)} |")


def measure_folder(folder: Path) -> None:
    """Print how many films of a folder are asked about, and how many drawn names are found on them."""
    random = np.random.default_rng(7)
    asked, parts, hits = [], [], []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            film = read_image(path)
            words, box = burn(
                film, "DOE^JANE 1987-11-03", int(random.integers(2000)), int(random.integers(2000)), 20,
                2**film.bits - 1,
            )  # fmt: skip
        except (MedcoreError, AssertionError):
            continue
        regions = find_words(film)
        area = sum((region.bottom - region.top) * (region.right - region.left) for region in regions)
        asked.append(bool(regions))
        parts.append(area / film.stored.size)
        hits.append(share_found(find_words(words), box) > 0.5)
    print(f"real films asked about: {sum(asked)} of {len(asked)}, median area {100 * np.median(parts):.1f} %")
    print(f"names of 20 px drawn into them and found: {sum(hits)} of {len(hits)}")


if __name__ == "__main__":
    measure_drawn(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    if len(sys.argv) > 2:
        measure_folder(Path(sys.argv[2]))
