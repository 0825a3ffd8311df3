"""Stand-ins for what opens and scores films: a file is a line of JSON, a score follows from its number."""

import datetime as dt
import json
import threading
import time
from concurrent.futures import Future
from dataclasses import replace

from fake_models import SHA, make_facts

from medcore.conditions.catalog import list_film_conditions
from medcore.errors import MedcoreError, UnreadableImageError, WorkerDiedError
from medcore.imaging.phantom import make_phantom
from medcore.imaging.quality import film_status
from medcore.imaging.radiograph import View
from medcore.results import Applicability, Interval, MetricValue, Prediction, Saliency, Status
from medcore.services.operating import OperatingPoint

PNEUMONIA = list_film_conditions()[0]
FACTS = replace(
    make_facts("pneumonia", "cnn"),
    kind="image",
    title="Made-up film model",
    base_rate=0.74,
    thresholds={"screening": 0.2, "balanced": 0.5},
    metrics={"auroc": MetricValue(value=0.98, lo=0.97, hi=0.99)},
)
POINTS = (
    OperatingPoint(name="screening", threshold=0.2, sensitivity=0.98, false_calls=0.12, n_positive=390, n_negative=234),
    OperatingPoint(name="balanced", threshold=0.5, sensitivity=0.97, false_calls=0.06, n_positive=390, n_negative=234),
)


def make_file(seed=0, *, rows=300, columns=250, bad=False, dies=False, **header):
    """Return the bytes of a file that :class:`FakeReader` opens as a phantom with this header."""
    return json.dumps({"seed": seed, "rows": rows, "columns": columns, "bad": bad, "dies": dies, **header}).encode()


def draw_film(data, name=""):
    """Open what :func:`make_file` made."""
    try:
        text = json.loads(data)
    except ValueError:
        raise UnreadableImageError(f"{name}: not a picture that can be read") from None
    if text.pop("bad"):
        raise UnreadableImageError(f"{name}: the file is damaged")
    if text.pop("dies"):
        raise WorkerDiedError("The film reader ended before it answered. Try again.")
    film = make_phantom(text.pop("seed"), text.pop("rows"), text.pop("columns"))
    if "acquired_on" in text:
        text["acquired_on"] = dt.date.fromisoformat(text["acquired_on"])
    if text.get("view"):
        text["view"] = View(text["view"])
    header = {"modality": "DX", "body_part": "CHEST", "view": View.AP, "age_years": 2.25, **text}
    return replace(film, **{"format": "DICOM", "notes": (), "removed": ("Patient's Name",), **header})


class FakeReader:
    """Opens files in a thread; ``gate`` holds them back while it is clear."""

    def __init__(self, delay_s=0.0):
        self.delay_s, self.started, self.asked = delay_s, False, []
        self.gate = threading.Event()
        self.gate.set()

    def start(self):
        self.started = True

    def submit(self, data, name=""):
        self.asked.append(name)
        future = Future()
        threading.Thread(target=self._open, args=(future, data, name), daemon=True).start()
        return future

    def _open(self, future, data, name):
        self.gate.wait()
        time.sleep(self.delay_s)
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(draw_film(data, name))
        except MedcoreError as error:
            future.set_exception(error)


class FakeFilmGateway:
    """Scores every film with ``p`` (a number, or one per film in turn); its failures can be set.

    ``found`` are reasons that its gate finds on the films of its first call.
    """

    def __init__(self, p=0.83, *, error=None, explain_error=None, reliable=True, ready=True, found=()):
        self.p, self.error, self.explain_error, self.reliable = p, error, explain_error, reliable
        self.found = found
        self.is_ready, self.failure, self.scored, self.explained = ready, None, [], 0

    def ready(self):
        return self.is_ready

    def retry(self):
        self.is_ready = True

    def score_films(self, model_id, tensors, reasons):
        if self.error is not None:
            raise self.error
        self.scored.append(len(tensors))
        found, self.found = self.found, ()
        return tuple(self._answer(model_id, (*item, *found)) for item in reasons)

    def explain_film(self, model_id, tensor, method="hirescam"):
        self.explained += 1
        if self.explain_error is not None:
            raise self.explain_error
        if method == "shap":
            return Saliency(method=method, grid=((0.5, -0.1), (0.2, 0.0)), p_calibrated=0.83, base=0.23, sha256=SHA)
        grid = tuple(tuple(float(row == column) for column in range(7)) for row in range(7))
        return Saliency(
            method=method,
            grid=grid,
            p_calibrated=0.83,
            deletion=0.31,
            deletion_random=0.62,
            randomised_similarity=0.08,
            reliable=self.reliable,
            reason=None if self.reliable else "blurring its strongest parts does not lower the score",
            sha256=SHA,
        )

    def _answer(self, model_id, reasons):
        status = film_status(reasons)
        withheld = status is Status.WITHHELD
        p = self.p if isinstance(self.p, float) else self.p.pop(0)
        return Prediction(
            condition="pneumonia",
            model_id=model_id,
            sha256=SHA,
            applicability=Applicability(status=status, reasons=tuple(reasons)),
            p_calibrated=None if withheld else p,
            interval=None if withheld else Interval(lo=p * 0.86, hi=(1 + p) / 2, kind="calibration_band"),
            probabilities=None if withheld else {"normal": 1 - p, "bacterial": p * 0.7, "viral": p * 0.3},
        )
