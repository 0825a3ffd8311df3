"""The film viewer: full-depth pixels in the browser, where every move is answered without the server."""

from medcore.ui.viewer.component import prepare, show
from medcore.ui.viewer.events import ViewerEvents
from medcore.ui.viewer.film import ViewerFilm

__all__ = ["ViewerEvents", "ViewerFilm", "prepare", "show"]
