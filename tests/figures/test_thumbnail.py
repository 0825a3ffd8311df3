import base64
import io

import numpy as np
from PIL import Image

from medcore.figures.thumbnail import draw_thumbnail


def open_picture(address):
    head, _, data = address.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_thumbnail_is_a_png_of_block_means():
    tensor = np.zeros((224, 224), np.float32)
    tensor[:4, 4:8] = 1.0
    tensor[4:8, :2] = 1.0
    picture = open_picture(draw_thumbnail(tensor))
    assert picture.shape == (56, 56)
    assert picture.dtype == np.uint8
    assert picture[0, 1] == 255
    assert picture[1, 0] == 128
    assert picture.sum() == 255 + 128


def test_what_does_not_fill_a_block_is_dropped():
    assert open_picture(draw_thumbnail(np.ones((10, 10), np.float32), factor=4)).shape == (2, 2)
