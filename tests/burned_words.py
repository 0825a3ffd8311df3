"""Films with words burned into them, for tests and for measuring how many of them are found."""

import numpy as np
from films import make_film
from PIL import Image, ImageDraw, ImageFont

from medcore.imaging.phantom import make_phantom

TEXTS = ("DOE^JANE 1987-11-03", "MUELLER ANNA", "12.03.2019 14:22", "ID 00471188", "St. Mary Hospital")


def burn(film, text, top, left, size, value, *, angle=0, font=None):
    """Return the film with a text, and the text's rectangle (top, left, bottom, right); moved to lie within it."""
    face = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
    mask = Image.new("L", (size * (len(text) + 2), 2 * size), 0)
    ImageDraw.Draw(mask).text((size // 2, size // 4), text, fill=255, font=face)
    mask = mask.crop(mask.getbbox())
    share = np.asarray(mask.rotate(angle, expand=True), dtype=np.float32) / 255
    rows, columns = film.shape
    high, wide = share.shape
    assert high < rows
    assert wide < columns
    top, left = min(top, rows - high), min(left, columns - wide)
    stored = film.stored.astype(np.float32)
    part = stored[top : top + high, left : left + wide]
    stored[top : top + high, left : left + wide] = part + share * (value - part)
    return make_film(np.round(stored), bits=film.bits), (top, left, top + high, left + wide)


def contrast(film, box, value):
    """Return how far a text of this value stands out, as a share of the film's range."""
    top, left, bottom, right = box
    low, high = np.percentile(film.stored, (0.5, 99.5))
    return abs(value - float(np.median(film.stored[top:bottom, left:right]))) / max(1.0, high - low)


def share_found(regions, box):
    """Return which share of a rectangle lies in the regions."""
    top, left, bottom, right = box
    found = np.zeros((bottom - top, right - left), dtype=bool)
    for region in regions:
        rows = slice(max(0, region.top - top), max(0, region.bottom - top))
        found[rows, max(0, region.left - left) : max(0, region.right - left)] = True
    return float(found.mean())


def draw_cases(n, seed=0, fonts=(None,)):
    """Yield (film without words, film with words, rectangle, size) of made-up films: sizes, places, values, turns.

    Words of less than 0.3 of the film's range above or below their ground are left out: they are hard to read, too.
    """
    random = np.random.default_rng(seed)
    made = 0
    while made < n:
        rows = int(random.choice([500, 900, 1300, 2000]))
        film = make_phantom(int(random.integers(1000)), rows, int(rows * random.uniform(0.8, 1.1)))
        size, value = int(random.choice([10, 14, 18, 28, 44])), int(random.choice([4095, 3700, 0]))
        text, angle = str(random.choice(TEXTS)), int(random.choice([0, 0, 0, 90]))
        font = fonts[int(random.integers(len(fonts)))]
        try:
            place = (int(random.integers(rows)), int(random.integers(rows)))
            words, box = burn(film, text, *place, size, value, angle=angle, font=font)
        except AssertionError:
            continue
        if contrast(film, box, value) < 0.3:
            continue
        made += 1
        yield film, words, box, size
