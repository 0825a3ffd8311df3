"""Films: bytes to :class:`Radiograph`, decoded in a process of their own, identifiers removed on arrival."""

from medcore.imaging.radiograph import Radiograph, View, VoiFunction, Window
from medcore.imaging.reader import FilmReader, read_image

__all__ = ["FilmReader", "Radiograph", "View", "VoiFunction", "Window", "read_image"]
