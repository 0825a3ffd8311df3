"""The upload of labelled films on the compare page: opened, scored and compared on the spot, never stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import streamlit as st

from medcore.services.compare import film_upload
from medcore.services.compare.film_upload import UploadedFile
from medcore.services.compare.labelled import LabelledUpload
from medcore.services.house import FilmCondition
from medcore.ui.compare_scene import Scene, offer_scoring

__all__ = ["show_films"]

_LEAD = (
    "Check the models on films of your own. Either one ZIP with a folder for each class, at any depth; or films (PNG, "
    "JPEG, DICOM) together with one CSV: file,label or file,label,patient_id. At most {most:,} films, 50 MB a file. "
    "They are opened and scored in memory and never stored. Films the models are not built for have no score: they are "
    "counted, and left out."
)


def show_films(scene: Scene, show_result: Callable[[], None]) -> None:
    """Draw the upload of films and its progress, or what came of it."""
    if scene.upload is not None:
        show_result()
        return
    st.html(f'<p class="mc-lead">{escape(_LEAD.format(most=film_upload.MOST_FILMS))}</p>')
    chosen = st.file_uploader(
        "Labelled films",
        type=["zip", "csv", "png", "jpg", "jpeg", "dcm"],
        accept_multiple_files=True,
        key="labelled_films",
    )
    if chosen:
        offer_scoring(scene, "labelled_films", partial(_score, scene, chosen))
    if isinstance(scene.question, FilmCondition):
        words = ", ".join(film_upload.list_labels(scene.question))
        st.html(f'<p class="mc-quiet">Names of folders, and labels in the CSV: {escape(words)}.</p>')


def _score(scene: Scene, chosen: Sequence[Any], *question: Any, **options: Any) -> LabelledUpload | None:
    files = [UploadedFile(name=item.name, content=item.getvalue()) for item in chosen]
    return film_upload.score_films(scene.house, files, *question, **options)
