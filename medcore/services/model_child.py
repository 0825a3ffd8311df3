"""The one warm process that holds the models, and the gateway through which pages reach it.

The child's side (:func:`make_handler`) imports TensorFlow and friends; the parent's side
(:class:`ChildGateway`) does not.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from medcore.errors import ArtifactError, InputError, MedcoreError, UnknownNameError
from medcore.results import Explanation, Prediction, Reason, Response, Saliency
from medcore.services.compare.row_pipe import pack_arrays, read_result, unpack_rows, write_result
from medcore.services.gateway import BundleCheck, ModelAnswer, RowScores
from medcore.services.lanes import LANES, Lanes
from medcore.services.local_gateway import LocalGateway
from medcore.workers import Answer, Limits, Worker

if TYPE_CHECKING:
    from medcore.explain.rows import EffectRows, ShapRows, ShuffledRows

__all__ = ["ChildGateway", "LocalGateway", "make_handler"]

_Answer = TypeVar("_Answer")
_ANSWER: TypeAdapter[ModelAnswer] = TypeAdapter(ModelAnswer)
_CHECK: TypeAdapter[BundleCheck] = TypeAdapter(BundleCheck)
_PREDICTION: TypeAdapter[Prediction] = TypeAdapter(Prediction)
_EXPLANATION: TypeAdapter[Explanation] = TypeAdapter(Explanation)
_RESPONSE: TypeAdapter[Response] = TypeAdapter(Response)
_PREDICTIONS: TypeAdapter[tuple[Prediction, ...]] = TypeAdapter(tuple[Prediction, ...])
_SALIENCY: TypeAdapter[Saliency] = TypeAdapter(Saliency)
_REASONS: TypeAdapter[list[tuple[Reason, ...]]] = TypeAdapter(list[tuple[Reason, ...]])


def make_handler(
    models_dir: str, threads: int = 0, further: Sequence[str] = ()
) -> Callable[[str, dict[str, Any], list[bytes]], Any]:
    """Build the child's request handler: import TensorFlow, then answer while the models are loaded and warmed.

    Called inside the child by :mod:`medcore.workers`; ``ready`` is announced when it returns. A model that is asked
    for before its turn is loaded at once.
    """
    import tensorflow  # noqa: F401 - whoever asks first does not wait for it any more

    limit_threads(threads)
    gateway = LocalGateway(Path(models_dir), further=[Path(folder) for folder in further])
    threading.Thread(target=gateway.warm_up, name="medcore warm-up", daemon=True).start()

    def handle(op: str, payload: dict[str, Any], blobs: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        begun = time.monotonic()
        answer, parts = _carry_out(gateway, op, payload, blobs)
        return {**answer, "work_s": time.monotonic() - begun}, parts

    return handle


def _carry_out(
    gateway: LocalGateway, op: str, payload: dict[str, Any], blobs: list[bytes]
) -> tuple[dict[str, Any], list[bytes]]:
    if op == "ping":
        return {}, []
    if op not in _OPERATIONS:
        raise UnknownNameError(f"the model process has no operation {op!r}", value=op)
    if op in _FILM_OPERATIONS:
        payload = _unpack_films(payload, blobs)
    if op in _ROW_OPERATIONS:
        return write_result(getattr(gateway, op)(**unpack_rows(payload, blobs)))
    result = getattr(gateway, op)(**payload)
    return {"result": [asdict(item) for item in result] if isinstance(result, tuple) else asdict(result)}, []


_FILM_OPERATIONS = frozenset({"explain_film", "score_films"})
_ROW_OPERATIONS = frozenset({"explain_rows", "find_effect", "score_rows", "shuffle_field"})
_OPERATIONS = frozenset({"assess", "check_bundle", "predict", "refine", "respond"}) | _FILM_OPERATIONS | _ROW_OPERATIONS

_ENVIRON = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "KERAS_BACKEND": "tensorflow",
    "OPENBLAS_NUM_THREADS": "1",  # its threads spin while they wait for a core: 3-8 x slower on a busy machine
}
_MOST_ROWS = 1_000
_MOST_WAITING = 128
_MOST_OF_ONE = 16


def _pack_films(films: np.ndarray) -> tuple[list[int], list[bytes]]:
    """Return shape and little-endian float32 bytes: a film crosses the pipe exactly as it is."""
    films = np.ascontiguousarray(films, dtype="<f4")
    return list(films.shape), [films.tobytes()]


def _unpack_films(payload: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """Put films and reasons back into a request's arguments."""
    arguments = dict(payload)
    try:
        films = np.frombuffer(blobs[0], dtype="<f4").reshape([int(side) for side in arguments.pop("shape")])
        if "reasons" in arguments:
            arguments["reasons"] = _REASONS.validate_python(arguments["reasons"])
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError("the films of this request cannot be read") from error
    return {**arguments, "tensors" if films.ndim == 3 else "tensor": films}


def limit_threads(threads: int) -> None:
    """Tell TensorFlow how many threads to use; 0 leaves its own choice."""
    if threads <= 0:
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


class ChildGateway:
    """Models in a supervised child process.

    Requests of several sessions take turns; a patient's score goes before a film's, and that before everything that
    nobody waits for with a hand on the keyboard (see :mod:`medcore.services.lanes`).

    Parameters
    ----------
    models_dir : pathlib.Path
        Folder of bundles.
    further : sequence of pathlib.Path
        Folders of further bundles, which the analyst may ask about.
    threads : int
        Threads of the child; 0 = its own choice.
    timeout_s : float
        Longest an answer may take before the child is replaced.
    """

    def __init__(
        self, models_dir: Path, *, further: Sequence[Path] = (), threads: int = 0, timeout_s: float = 60.0
    ) -> None:
        self._worker = Worker(
            "medcore.services.model_child:make_handler",
            name="model process",
            options={"models_dir": str(models_dir), "threads": threads, "further": [str(path) for path in further]},
            limits=Limits(niceness=5, request_s=timeout_s, lanes=LANES, queue_size=_MOST_WAITING, share=_MOST_OF_ONE),
            environ=_ENVIRON,
        )
        self._lanes = Lanes()
        self._lock = threading.Lock()
        self._nudge: Future[Any] | None = None

    def start(self) -> None:
        """Start the child; returns at once."""
        self._worker.start()

    def close(self) -> None:
        """Stop the child."""
        self._worker.close()

    def ready(self) -> bool:
        """Whether the models are loaded."""
        return self._worker.ready()

    @property
    def failure(self) -> MedcoreError | None:
        """Why the last start of the child failed; None once it runs, and before the first start has ended."""
        return None if self._worker.ready() else self._worker.failure

    def retry(self) -> None:
        """Ask for the next start now that somebody waits, without waiting for it.

        The child is started again in any case, but at longer and longer intervals while nobody asks.
        """
        with self._lock, contextlib.suppress(MedcoreError):
            if self._nudge is None or self._nudge.done():
                self._nudge = self._worker.submit("ping")

    def predict(self, model_id: str, values: Mapping[str, float]) -> Prediction:
        """Score one patient."""
        return _read(_PREDICTION, self._ask("predict", model_id=model_id, values=dict(values)))

    def assess(self, model_id: str, values: Mapping[str, float], *, precision: float = 0.02) -> ModelAnswer:
        """Score and explain one patient."""
        return _read(_ANSWER, self._ask("assess", model_id=model_id, values=dict(values), precision=precision))

    def refine(self, model_id: str, values: Mapping[str, float]) -> Explanation:
        """Explain one patient more exactly, with the stability of the strongest fields."""
        return _read(_EXPLANATION, self._ask("refine", model_id=model_id, values=dict(values)))

    def respond(self, model_id: str, values: Mapping[str, float], field: str) -> Response:
        """Sweep one field."""
        return _read(_RESPONSE, self._ask("respond", model_id=model_id, values=dict(values), field=field))

    def score_rows(self, model_id: str, X: np.ndarray, *, sha256: str = "") -> RowScores:
        """Score many patients, a thousand in one request, so that a doctor's comes in between."""
        parts = [
            self._ask_rows(
                RowScores, "score_rows", {"X": X[start : start + _MOST_ROWS]}, model_id=model_id, sha256=sha256
            ).p
            for start in range(0, max(len(X), 1), _MOST_ROWS)
        ]
        return RowScores(p=np.concatenate(parts))

    def check_bundle(self, folder: Path | str) -> BundleCheck:
        """Load a table model beside the shelf and run its self-test."""
        return _read(_CHECK, self._ask("check_bundle", folder=str(folder)))

    def score_films(
        self, model_id: str, tensors: np.ndarray, reasons: Sequence[tuple[Reason, ...]]
    ) -> tuple[Prediction, ...]:
        """Score films."""
        shape, blobs = _pack_films(tensors)
        told = [[asdict(reason) for reason in one] for one in reasons]
        answer = self._ask("score_films", blobs, model_id=model_id, shape=shape, reasons=told)
        return _read(_PREDICTIONS, answer)

    def explain_film(self, model_id: str, tensor: np.ndarray, method: str = "hirescam") -> Saliency:
        """Explain one film."""
        shape, blobs = _pack_films(tensor)
        return _read(_SALIENCY, self._ask("explain_film", blobs, model_id=model_id, shape=shape, method=method))

    def explain_rows(self, model_id: str, X: np.ndarray, *, precision: float = 0.02) -> ShapRows:
        """Explain rows."""
        from medcore.explain.rows import ShapRows

        return self._ask_rows(ShapRows, "explain_rows", {"X": X}, model_id=model_id, precision=precision)

    def find_effect(self, model_id: str, X: np.ndarray, column: int, grid: np.ndarray) -> EffectRows:
        """Set one field of every row to each value of a grid."""
        from medcore.explain.rows import EffectRows

        return self._ask_rows(EffectRows, "find_effect", {"X": X, "grid": grid}, model_id=model_id, column=column)

    def shuffle_field(self, model_id: str, X: np.ndarray, column: int) -> ShuffledRows:
        """Shuffle one field between rows."""
        from medcore.explain.rows import ShuffledRows

        return self._ask_rows(ShuffledRows, "shuffle_field", {"X": X}, model_id=model_id, column=column)

    def _ask_rows(self, kind: type[_Answer], op: str, arrays: Mapping[str, np.ndarray], /, **payload: Any) -> _Answer:
        shapes, blobs = pack_arrays(arrays)
        answer, parts = self._request(op, {**payload, "shapes": shapes}, blobs)
        return read_result(kind, answer.get("result"), parts)

    def _ask(self, op: str, blobs: Sequence[bytes] = (), /, **payload: Any) -> Any:
        answer, _ = self._request(op, payload, blobs)
        try:
            return answer["result"]
        except KeyError as error:
            raise ArtifactError("the model process gave an answer that cannot be read") from error

    def _request(self, op: str, payload: Mapping[str, Any], blobs: Sequence[bytes]) -> Answer:
        answer = self._worker.request(op, payload, blobs, lane=self._lanes.choose(op, payload))
        self._lanes.learn(op, payload, answer[0].get("work_s"))
        return answer


def _read(kind: TypeAdapter[_Answer], raw: Any) -> _Answer:
    try:
        return kind.validate_python(raw)
    except ValidationError as error:
        raise ArtifactError("the model process gave an answer that cannot be read") from error
