"""Films: bytes to :class:`Radiograph`, decoded in a process of their own, identifiers removed on arrival."""

from medcore.imaging.radiograph import Radiograph, View, VoiFunction, Window

__all__ = ["Radiograph", "View", "VoiFunction", "Window"]
