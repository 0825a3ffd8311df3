"""Speed of the X-ray page as a radiologist sees it, beside a plain Streamlit script with the same network.

Both are real servers in a real browser, warmed by one film that does not count. The reader's own reading comes
first on our page, so a key is pressed as soon as the film is on the screen; its time counts. What is awaited is looked
for in every frame: drawn pixels of the film, the answer, the map itself. Films are originals of the study with
pneumonia (others have no map to show), enlarged to the size of its largest, where the training data are present; else
made-up ones, which the gate may withhold.
"""

from __future__ import annotations

import io
import itertools
import statistics
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medcore.config import Settings
from medcore.errors import MedcoreError
from medcore.registry import Catalog
from medcore.services.bench.bench_browser import Launcher, fresh_page, open_browser
from medcore.services.bench.bench_films import make_jpeg, wrap_dicom
from medcore.services.bench.figure import Figure

__all__ = ["measure_film_pages"]

_ORIGINALS = Path("chest_xray_pneumonia") / "originals_sample.tar"
_N_FILMS = 5
_WAIT_MS = 60_000
_MODEL_WAIT_MS = 240_000
_DRAG_S = 2.0
_PICK_UP_MS = 1500  # a page that has settled: nobody drops a file in the moment that it appears
_CLASS = "PNEUMONIA"
_WIDE_PX, _QUALITY = 2000, 98  # about 0.7 MB
_SHOWN = ".pane.current[data-frames]"
_ANSWERED = ".mc-finding, .st-key-xray_panel .mc-withheld"
_HEATED = ".pane.current[data-heat=true]"
_NO_MAP = ".caption.heated[title^='Map not shown'], .caption.heated[title^='No map']"
_UPLOAD = "[data-testid=stFileUploaderDropzoneInput]"

_PLAIN = """
import keras, numpy as np, streamlit as st, tensorflow as tf
from PIL import Image
from medcore.models import layers

@st.cache_resource
def load():
    return keras.saving.load_model({path!r}, custom_objects=layers.custom_objects(), compile=False)

def pick(found, name, place):
    return found[name] if isinstance(found, dict) else found[place]

model = load()
file = st.file_uploader("film")
if file is not None:
    grey = Image.open(file).convert("L")
    x = np.asarray(grey.resize((224, 224), Image.BILINEAR), np.float32)[None, ..., None] / 255
    logits = pick(model.predict(x, verbose=0), "logits", 0)[0]
    st.image(grey)
    st.write(f"score of {{file.name}}: {{1 / (1 + np.exp(logits[0] - np.logaddexp(logits[1], logits[2]))):.3f}}")
    with tf.GradientTape() as tape:
        found = model(x, training=False)
        logits, maps = pick(found, "logits", 0), pick(found, "maps", 2)
        top = tf.reduce_logsumexp(logits[:, 1:], axis=1) - logits[:, 0]
    weights = tf.reduce_mean(tape.gradient(top, maps), axis=(1, 2), keepdims=True)
    heat = np.asarray(tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))[0])
    heat = Image.fromarray((255 * heat / max(heat.max(), 1e-6)).astype(np.uint8)).resize(grey.size, Image.BILINEAR)
    st.image(Image.blend(grey, heat, 0.4))
    st.write(f"map of {{file.name}}")
"""


def measure_film_pages(settings: Settings) -> Iterator[Figure]:
    """Yield (name, unit, value, baseline, baseline's name).

    Raises
    ------
    MedcoreError
        No browser or no film model here: nothing can be measured.
    """
    catalog = Catalog(settings.models_dir)
    facts = next((item for item in catalog.models() if item.default and item.kind == "keras-image"), None)
    if facts is None:
        raise MedcoreError("there is no film model to measure")
    network = catalog.bundle(facts.model_id).folder / "model.keras"
    films = _find_films(settings) or [make_jpeg(seed) for seed in range(_N_FILMS + 1)]
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        jpegs = _write(Path(folder), ".jpg", films)
        dicoms = _write(Path(folder), ".dcm", [_as_dicom(film) for film in films])
        launcher = Launcher(_PLAIN.format(path=str(network)), Path(folder))
        with launcher.plain() as address:
            plain = _time_plain(browser, address, jpegs)
        with launcher.medcore() as address:
            ours = _time_page(browser, address, jpegs)
            large = _time_page(browser, address, dicoms)
            frames = _count_frames(browser, address, dicoms[0])
    name = "plain script with Keras predict and Grad-CAM"
    score, heat = _median(plain, 0), _median(plain, 1)
    yield _figure("JPEG dropped to film on screen, median", _median(ours, 0))
    yield _figure("JPEG dropped to score on screen, median", _median(ours, 1), score, name)
    yield _figure("JPEG dropped to heat map on screen, median", _median(ours, 2), heat, name)
    yield _figure("DICOM of 1955 x 1841 dropped to score on screen, median", _median(large, 1), score, name)
    yield _figure("DICOM of 1955 x 1841 dropped to heat map on screen, median", _median(large, 2), heat, name)
    yield Figure(name="window drag on a DICOM of 1955 x 1841", unit="frames/s", value=frames, better="more")


def _figure(name: str, value: float | None, baseline: float | None = None, baseline_name: str = "") -> Figure:
    reason = "" if value is not None else "the gate withheld every film that was tried"
    return Figure(name=name, unit="s", value=value, baseline=baseline, baseline_name=baseline_name, reason=reason)


def _find_films(settings: Settings) -> list[bytes]:
    """Return the largest originals with pneumonia, enlarged, as many as are needed; none where the data are absent."""
    try:
        with tarfile.open(settings.training_data_dir / _ORIGINALS) as archive:
            sick = (item for item in archive if item.isfile() and _CLASS in Path(item.name).parts)
            members = sorted(sick, key=lambda item: -item.size)
            files = [archive.extractfile(member) for member in members[: _N_FILMS + 1]]
            return [_enlarge(file.read()) for file in files if file is not None]
    except (OSError, tarfile.TarError):
        return []


def _enlarge(jpeg: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as film:
        size = (_WIDE_PX, round(_WIDE_PX * film.height / film.width))
        large = film.convert("L").resize(size, Image.Resampling.BILINEAR)
    file = io.BytesIO()
    large.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _as_dicom(jpeg: bytes) -> bytes:
    """Return a film as a 15-bit DICOM file of a child of three."""
    from PIL import Image

    from medcore.services.bench.bench_films import DICOM_SHAPE

    rows, columns = DICOM_SHAPE
    with Image.open(io.BytesIO(jpeg)) as film:
        grey = np.asarray(film.convert("L").resize((columns, rows), Image.Resampling.BILINEAR))
    return wrap_dicom(grey.astype(np.uint16) * 128)


def _write(folder: Path, suffix: str, films: Sequence[bytes]) -> list[Path]:
    paths = [folder / f"film{i}{suffix}" for i in range(len(films))]
    for path, film in zip(paths, films, strict=True):
        path.write_bytes(film)
    return paths


def _time_plain(browser: Any, address: str, films: Sequence[Path]) -> list[tuple[float, float | None]]:
    """Seconds from choosing a file to its score and to its map, first film left out."""
    seconds: list[tuple[float, float | None]] = []
    with fresh_page(browser) as page:
        page.goto(address, timeout=_WAIT_MS)
        page.wait_for_selector(_UPLOAD, state="attached", timeout=_MODEL_WAIT_MS)
        for film in films:
            start = time.perf_counter()
            page.set_input_files(_UPLOAD, film)
            _wait_for_text(page, f"score of {film.name}")
            score = time.perf_counter() - start
            _wait_for_text(page, f"map of {film.name}")
            seconds.append((score, time.perf_counter() - start))
    return seconds[1:]


def _time_page(browser: Any, address: str, films: Sequence[Path]) -> list[tuple[float, float | None, float | None]]:
    """Seconds from dropping a file to the film, its score and its heat map, first film left out."""
    seconds = []
    with fresh_page(browser) as page:
        for film in films:
            page.goto(f"{address}/xray", timeout=_WAIT_MS)
            page.wait_for_selector(".mc-start", timeout=_MODEL_WAIT_MS)
            page.wait_for_timeout(_PICK_UP_MS)
            seconds.append(_time_film(page, film))
    return seconds[1:]


def _time_film(page: Any, film: Path) -> tuple[float, float | None, float | None]:
    start = time.perf_counter()
    page.set_input_files(_UPLOAD, film)
    _wait_for(page, _SHOWN)
    shown = time.perf_counter() - start
    page.keyboard.press("2")
    _wait_for(page, _ANSWERED, timeout_ms=_MODEL_WAIT_MS)
    score = time.perf_counter() - start
    if not page.locator(".mc-finding").count():
        return shown, score, None
    page.keyboard.down("h")
    _wait_for(page, f"{_HEATED}, {_NO_MAP}")
    heat = time.perf_counter() - start
    found = page.locator(_HEATED).count() > 0
    page.keyboard.up("h")
    return shown, score, heat if found else None


def _wait_for(page: Any, selector: str, *, timeout_ms: int = _WAIT_MS) -> None:
    """Wait for an element of the page or of a component on it, looked for in every frame."""
    page.wait_for_function(
        """selector => document.querySelector(selector) !== null || [...document.querySelectorAll(".st-key-xray *")]
            .some(element => element.shadowRoot?.querySelector(selector))""",
        arg=selector,
        polling="raf",
        timeout=timeout_ms,
    )


_DRAG = """async (pane, seconds) => {
  const box = pane.getBoundingClientRect();
  const before = Number(pane.dataset.frames);
  const start = performance.now();
  for (let turn = 1; performance.now() - start < 1000 * seconds; turn += 1) {
    const clientX = box.left + 300 + 100 * Math.sin(turn / 10);
    const clientY = box.top + 300 + 100 * Math.cos(turn / 13);
    pane.dispatchEvent(new PointerEvent("pointermove", { pointerId: 1, clientX, clientY }));
    await new Promise(requestAnimationFrame);
  }
  return (1000 * (Number(pane.dataset.frames) - before)) / (performance.now() - start);
}"""


def _count_frames(browser: Any, address: str, film: Path) -> float:
    """Frames a second that are really drawn while the window is dragged."""
    with fresh_page(browser) as page:
        page.goto(f"{address}/xray", timeout=_WAIT_MS)
        page.wait_for_selector(".mc-start", timeout=_MODEL_WAIT_MS)
        page.set_input_files(_UPLOAD, film)
        pane = page.locator(".pane.current[data-frames]")
        pane.wait_for(timeout=_WAIT_MS)
        box = pane.bounding_box()
        page.mouse.move(box["x"] + 300, box["y"] + 300)
        page.mouse.down()
        rate = float(pane.evaluate(_DRAG, _DRAG_S))
        page.mouse.up()
    return rate


def _wait_for_text(page: Any, words: str) -> None:
    page.wait_for_function(
        "words => document.body.innerText.includes(words)", arg=words, polling="raf", timeout=_WAIT_MS
    )


def _median(rows: Sequence[tuple[float | None, ...]], place: int) -> float | None:
    found = [value for row in rows for value in itertools.islice(row, place, place + 1) if value is not None]
    return statistics.median(found) if found else None
