"""Pictures of a film for the person who looks for burned-in words. Runs in the reader's child process: needs Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from medcore.imaging.copying import Region
from medcore.imaging.display import render
from medcore.imaging.radiograph import Radiograph

__all__ = ["draw_crops", "draw_preview"]

_SIDE_PX = 900
_CROP_PX, _CROP_WIDTH_PX, _LABEL_PX = 72, 360, 34
_MOST_CROPS = 24
_INK = (255, 180, 84)


def draw_preview(film: Radiograph, regions: Sequence[Region]) -> bytes:
    """Return the film as a PNG of at most 900 pixels a side, with numbered frames around the regions."""
    picture = Image.fromarray(np.round(render(film) * 255).astype(np.uint8)).convert("RGB")
    scale = min(1.0, _SIDE_PX / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.BOX)
    ink = ImageDraw.Draw(picture)
    for number, region in enumerate(regions, 1):
        box = [round(scale * value) for value in (region.left, region.top, region.right, region.bottom)]
        ink.rectangle((box[0], box[1], max(box[2] - 1, box[0] + 1), max(box[3] - 1, box[1] + 1)), outline=_INK, width=2)
        below = min(box[3] + 1, picture.height - 18)
        ink.text((box[0], below), str(number), fill=_INK, font_size=16, stroke_width=2, stroke_fill=(0, 0, 0))
    return _write(picture)


def draw_crops(film: Radiograph, regions: Sequence[Region]) -> bytes:
    """Return the first 24 regions one below the other as a PNG, enlarged, each over its own range of brightness."""
    shown = list(regions)[:_MOST_CROPS]
    sheet = Image.new("L", (_LABEL_PX + _CROP_WIDTH_PX, max(1, len(shown) * (_CROP_PX + 6))), 0)
    ink = ImageDraw.Draw(sheet)
    for number, region in enumerate(shown, 1):
        part = film.stored[region.top : region.bottom, region.left : region.right].astype(np.float32)
        low, high = float(part.min()), float(part.max())
        grey = np.round((part - low) / max(1.0, high - low) * 255).astype(np.uint8)
        crop = Image.fromarray(grey)
        scale = min(_CROP_PX / crop.height, _CROP_WIDTH_PX / crop.width)
        crop = crop.resize((max(1, round(crop.width * scale)), max(1, round(crop.height * scale))))
        top = (number - 1) * (_CROP_PX + 6)
        sheet.paste(crop, (_LABEL_PX, top))
        ink.text((4, top + 4), str(number), fill=255, font_size=18)
    return _write(sheet)


def _write(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()
