"""The upload of labelled films on the compare page: opened, scored and compared on the spot, never stored."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.compare import film_upload
from medcore.services.compare.film_upload import UploadedFile
from medcore.services.house import FilmCondition
from medcore.ui.compare_scene import LABELLED_KEY, Scene
from medcore.ui.wording import as_sentence

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
        start, stop = st.columns([1, 5])
        asked = start.button("Score and compare", key="score_labelled_films", type="primary")
        if asked:
            stop.button("Stop", key="stop_labelled_films")
            _score(scene, [UploadedFile(name=item.name, content=item.getvalue()) for item in chosen])
    if isinstance(scene.question, FilmCondition):
        words = ", ".join(film_upload.list_labels(scene.question))
        st.html(f'<p class="mc-quiet">Names of folders, and labels in the CSV: {escape(words)}.</p>')


def _score(scene: Scene, files: list[UploadedFile]) -> None:
    """Score with progress; any other click ends the run, and then nothing is kept."""
    bar = st.progress(0.0, "Starting")

    def tell(share: float, words: str) -> None:
        bar.progress(min(max(share, 0.0), 1.0), words)

    try:
        upload = film_upload.score_films(
            scene.house,
            files,
            scene.comparison.condition,
            scene.chosen or scene.model_ids,
            prevalence=scene.prevalence,
            progress=tell,
        )
    except MedcoreError as error:
        bar.empty()
        st.html(f'<p class="mc-error" role="alert">{escape(as_sentence(error.message))}</p>')
        return
    if upload is not None:
        st.session_state[LABELLED_KEY] = upload
        st.rerun(scope="app")
