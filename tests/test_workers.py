"""Helper processes: real children that answer, fail, hang and die."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medcore.errors import (
    BusyError,
    MedcoreError,
    OutOfRangeError,
    WorkerDiedError,
    WorkerError,
    WorkerTimeoutError,
)
from medcore.workers import Limits, Worker, mask_values

HERE = str(Path(__file__).parent)


def make(*, options=None, **limits):
    return Worker(
        "worker_handlers:factory",
        name="test process",
        options=options,
        limits=Limits(**limits),
        environ={"PYTHONPATH": HERE},
    )


@pytest.fixture(scope="module")
def shared():
    with make() as worker:
        yield worker


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_gone(pid, seconds=5.0):
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def test_request_gives_back_payload_and_blobs(shared):
    blobs = [b"", os.urandom(3_000_000), b"x"]
    assert shared.request("echo", {"a": [1, 2.5, None, "é"]}, blobs) == ({"a": [1, 2.5, None, "é"]}, blobs)


def test_ready_only_after_the_factory_has_finished():
    worker = make()
    assert not worker.ready()
    assert worker.wait_ready(30)
    assert alive(worker.pid)
    worker.close()
    assert not worker.ready()


@pytest.mark.parametrize(("kind", "expected"), [("range", OutOfRangeError), ("own", OutOfRangeError)])
def test_a_medcore_error_keeps_its_class_and_parts(shared, kind, expected):
    with pytest.raises(expected, match="Sodium 900") as caught:
        shared.request("raise", {"kind": kind})
    assert (caught.value.field, caught.value.value, caught.value.expected) == ("sodium", "900", "80 to 220")


@pytest.mark.parametrize("kind", ["value", "panic", "exit", "interrupt", "oserror", "recursion"])
def test_any_other_exception_becomes_one_error_without_its_message(shared, kind):
    with pytest.raises(WorkerError, match="failed in the helper process") as caught:
        shared.request("raise", {"kind": kind})
    assert "4711" not in str(caught.value)
    assert shared.request("echo", {"next": 1}) == ({"next": 1}, [])


@pytest.mark.parametrize("op", ["garbage", "shape", "no such operation"])
def test_an_impossible_answer_is_an_error_and_the_child_goes_on(shared, op):
    pid = shared.request("echo") and shared.pid
    with pytest.raises(WorkerError):
        shared.request(op)
    assert shared.request("echo", {"next": 1})[0] == {"next": 1}
    assert shared.pid == pid


@pytest.mark.parametrize(("op", "word"), [("exit", "exit status 7"), ("kill", "SIGKILL")])
def test_a_death_is_reported_and_the_next_request_works(shared, op, word):
    with pytest.raises(WorkerDiedError, match=word):
        shared.request(op)
    assert shared.request("echo", {"next": 1})[0] == {"next": 1}


def test_a_death_while_idle_is_repaired():
    with make() as worker:
        worker.request("echo")
        os.kill(worker.pid, signal.SIGKILL)
        time.sleep(0.1)
        assert worker.request("echo", {"next": 1})[0] == {"next": 1}


def test_a_request_over_its_time_is_killed_with_what_it_started():
    with make(request_s=30) as worker:
        grandchild = worker.request("spawn")[0]["grandchild"]
        pid = worker.pid
        before = time.monotonic()
        with pytest.raises(WorkerTimeoutError, match=r"within 0\.3 s"):
            worker.request("sleep", {"s": 60}, timeout_s=0.3)
        assert time.monotonic() - before < 2
        assert wait_gone(pid)
        assert wait_gone(grandchild)
        assert worker.request("echo", {"next": 1})[0] == {"next": 1}


def test_a_time_out_also_covers_a_child_that_does_not_read():
    with make(request_s=30) as worker:
        worker.wait_ready(30)
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerTimeoutError):
            worker.request("echo", {}, [b"x" * 5_000_000], timeout_s=0.3)
        assert worker.request("echo", {"next": 1})[0] == {"next": 1}


def test_memory_limit():
    with make(memory_bytes=400 * 1024 * 1024) as worker:
        with pytest.raises(WorkerError, match="MemoryError"):
            worker.request("memory", {"n": 600 * 1024 * 1024})
        assert worker.request("memory", {"n": 1000})[0] == {"n": 1000}


def test_processor_limit_counts_per_request():
    with make(cpu_s=1) as worker:
        with pytest.raises(WorkerDiedError, match="SIGXCPU"):
            worker.request("spin", timeout_s=30)
        assert worker.request("echo", {"next": 1})[0] == {"next": 1}


def test_niceness():
    with make(niceness=5) as worker:
        assert worker.request("nice")[0] == {"nice": os.nice(0) + 5}


def test_a_fresh_child_takes_over_after_a_while():
    with make(recycle_after=2) as worker:
        worker.request("echo")
        first = worker.pid
        worker.request("echo")
        assert wait_gone(first)
        assert worker.request("echo", {"next": 1}) == ({"next": 1}, [])
        assert worker.pid not in {first, None}


def test_an_answer_over_its_size_is_refused():
    with make(answer_bytes=1000) as worker:
        with pytest.raises(WorkerDiedError):
            worker.request("echo", {}, [b"x" * 2000])
        assert worker.request("echo", {}, [b"x"])[1] == [b"x"]


def test_noise_on_stdout_does_not_reach_the_pipe(shared):
    assert shared.request("noise") == ({"ok": True}, [])
    assert shared.request("echo", {"next": 1})[0] == {"next": 1}
    assert shared.request("fds")[0] == {"stdin": ""}


def test_the_log_holds_no_values(shared, caplog):
    with caplog.at_level(logging.INFO, logger="medcore.workers"):
        shared.request("leak", {"x": 128.5})
        with pytest.raises(WorkerError):
            shared.request("raise", {"kind": "value"})
        time.sleep(0.3)
    assert "sodium #" in caplog.text
    assert "ValueError in worker_handlers._handle" in caplog.text
    for secret in ("128", "Jane", "4711"):
        assert secret not in caplog.text


def test_mask_values_shortens():
    assert len(mask_values("x" * 10_000)) <= 300


def test_concurrent_requests_get_their_own_answers(shared):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: shared.request("echo", {"i": i}, [str(i).encode()]), range(200)))
    assert answers == [({"i": i}, [str(i).encode()]) for i in range(200)]


def test_a_full_queue_refuses_and_recovers():
    with make(queue_size=2) as worker:
        worker.wait_ready(30)
        running = worker.submit("sleep", {"s": 0.5})
        while not running.running():
            time.sleep(0.01)
        waiting = [worker.submit("echo", {"i": i}) for i in range(2)]
        with pytest.raises(BusyError, match="too much waiting"):
            worker.submit("echo")
        assert waiting[0].cancel()
        third = worker.submit("echo", {"i": 3})
        assert third.result(30)[0] == {"i": 3}
        assert waiting[1].result(30)[0] == {"i": 1}


def test_a_cancelled_request_never_runs(tmp_path):
    with make() as worker:
        worker.wait_ready(30)
        running = worker.submit("sleep", {"s": 0.3})
        while not running.running():
            time.sleep(0.01)
        doomed = worker.submit("exit")
        assert doomed.cancel()
        pid = worker.pid
        assert worker.request("echo", {"next": 1})[0] == {"next": 1}
        assert worker.pid == pid


def test_waiting_too_long_withdraws_the_request():
    with make() as worker:
        worker.submit("sleep", {"s": 1.0})
        with pytest.raises(BusyError, match=r"in 0\.2 s"):
            worker.request("exit", wait_s=0.2)
        assert worker.request("echo", {"next": 1})[0] == {"next": 1}


def test_a_request_that_is_not_json_is_refused(shared):
    with pytest.raises(WorkerError, match="plain JSON"):
        shared.request("echo", {"x": object()})
    assert shared.request("echo", {"next": 1})[0] == {"next": 1}


def test_a_factory_that_refuses_tells_why():
    with make(options={"fail": "typed"}) as worker, pytest.raises(MedcoreError, match="the factory refuses"):
        worker.request("echo")


def test_a_factory_that_dies_or_hangs():
    with make(options={"fail": "crash"}) as worker, pytest.raises(WorkerDiedError, match="exit status 3"):
        worker.request("echo")
    with make(options={"fail": "slow"}, start_s=1.0) as worker, pytest.raises(WorkerTimeoutError, match="start within"):
        worker.request("echo")


def test_a_failed_start_is_tried_again(tmp_path):
    with make(options={"fail": "first", "mark": str(tmp_path / "mark")}) as worker:
        with pytest.raises(WorkerDiedError):
            worker.request("echo")
        assert isinstance(worker.failure, WorkerDiedError)
        assert worker.request("echo", {"next": 1})[0] == {"next": 1}
        assert worker.failure is None


def test_a_failed_start_is_tried_again_even_when_nobody_asks(tmp_path):
    with make(options={"fail": "first", "mark": str(tmp_path / "mark")}) as worker:
        assert worker.wait_ready(30)
        assert (tmp_path / "mark").exists()


def test_an_unknown_handler_is_an_error():
    with Worker("medcore.no_such:thing") as worker, pytest.raises(WorkerError, match="ModuleNotFoundError"):
        worker.request("echo")


def test_close_ends_everything(caplog):
    worker = make()
    worker.wait_ready(30)
    pid = worker.pid
    running = worker.submit("sleep", {"s": 60})
    waiting = worker.submit("echo")
    time.sleep(0.1)
    before = time.monotonic()
    worker.close()
    worker.close()
    assert time.monotonic() - before < 5
    assert wait_gone(pid)
    with pytest.raises(WorkerError):
        running.result(5)
    with pytest.raises(WorkerError, match="closed"):
        waiting.result(5)
    with pytest.raises(WorkerError, match="closed"):
        worker.request("echo")
    assert "stopped" not in caplog.text  # a child that was told to go is no fault worth a warning


PARENT = """
import sys, time
from medcore.workers import Worker
worker = Worker("worker_handlers:factory", environ={"PYTHONPATH": sys.argv[1]})
worker.wait_ready(30)
if sys.argv[2] == "busy":
    worker.submit("spin")
    time.sleep(0.2)
print(worker.pid, flush=True)
if sys.argv[2] == "exits":
    sys.exit(0)
time.sleep(60)
"""


@pytest.mark.parametrize("state", ["idle", "busy", "exits"])
def test_the_child_goes_with_its_parent(state):
    with subprocess.Popen([sys.executable, "-c", PARENT, HERE, state], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        if state != "exits":
            assert alive(child)
            parent.kill()
        parent.wait(30)
    assert wait_gone(child)


def test_no_thread_or_process_is_left_behind():
    before = threading.active_count()
    for _ in range(3):
        with make() as worker:
            worker.request("echo")
    time.sleep(0.3)
    assert threading.active_count() <= before


def test_the_parent_imports_no_heavy_library():
    code = "import sys, medcore.workers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "multiprocessing", "pickle"} & set(done.stdout.split())
