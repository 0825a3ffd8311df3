"""Many askers and one helper process: turns, lanes, withdrawal, and what a full queue says."""

import threading
import time
from pathlib import Path

import pytest

from medcore.errors import BusyError, MovedOnError, WorkerDiedError, WorkerTimeoutError
from medcore.workers import (
    Asker,
    Limits,
    Worker,
    asking,
    background,
    carry,
    checkpoint,
    find_asker,
    gives_way,
    use_finder,
)
from medcore.workers.fair_queue import FairQueue, Job

HERE = str(Path(__file__).parent)


def make(**limits):
    return Worker("worker_handlers:factory", name="test process", limits=Limits(**limits), environ={"PYTHONPATH": HERE})


@pytest.fixture
def two_lanes():
    with make(lanes=2) as worker:
        assert worker.wait_ready(30)
        yield worker


def hold(worker, seconds=0.3, **options):
    """Keep a lane busy; returns once it is."""
    running = worker.submit("sleep", {"s": seconds}, **options)
    while not running.running():
        time.sleep(0.005)
    return running


def fill(queue, names, lane=0):
    for number, name in enumerate(names):
        queue.put(Job(number=number, message=(), timeout_s=1.0, lane=lane, asker=name))


@pytest.mark.parametrize(
    ("names", "turns"),
    [
        ("aaab", "abaa"),
        ("aabbc", "abcab"),
        ("aaa", "aaa"),
        ("abcabc", "abcabc"),
    ],
)
def test_askers_take_turns(names, turns):
    queue = FairQueue(1)
    fill(queue, names)
    assert "".join(job.asker for job in queue.drain()) == turns
    assert len(queue) == 0


def test_one_asker_is_served_in_order_and_lanes_are_apart():
    queue = FairQueue(2)
    fill(queue, "aa")
    fill(queue, "b", lane=1)
    assert [queue.take(0).number, queue.take(0).number, queue.take(0)] == [0, 1, None]
    assert queue.take(1).asker == "b"


def test_who_comes_late_with_one_request_waits_for_one_of_each_other():
    order = []
    with make() as worker:
        worker.wait_ready(30)
        hold(worker)
        for name, number in [("many", 20), ("one", 1)]:
            with asking(Asker(name=name)):
                for _ in range(number):
                    future = worker.submit("echo", {"name": name})
                    future.add_done_callback(lambda done: order.append(done.result()[0]["name"]))
        future.result(30)
    assert order.index("one") <= 1


def test_a_full_queue_says_how_many_wait_and_one_asker_cannot_fill_it():
    with make(queue_size=5, share=2) as worker:
        worker.wait_ready(30)
        hold(worker)
        with asking(Asker(name="greedy")):
            waiting = [worker.submit("echo"), worker.submit("echo")]
            with pytest.raises(BusyError, match=r"2 requests.*Try again in about \d+ s"):
                worker.submit("echo")
        with asking(Asker(name="modest")):
            waiting.append(worker.submit("echo", {"next": 1}))
        assert [done.result(30)[0] for done in waiting] == [{}, {}, {"next": 1}]


def test_long_work_gives_way_to_short_work(two_lanes):
    long = two_lanes.submit("parts", {"parts": 60}, lane=1)
    while not long.running():
        time.sleep(0.005)
    time.sleep(0.1)
    answers = [two_lanes.request("now", {"s": 0.05})[0]["now"] for _ in range(4)]
    ends = long.result(30)[0]["done"]
    assert len(ends) == 60
    assert not [end for end in ends for answer in answers if answer - 0.03 < end < answer]


def test_a_lane_is_not_held_up_by_work_without_checkpoints(two_lanes):
    hold(two_lanes, 1.0, lane=1)
    before = time.monotonic()
    assert two_lanes.request("echo", {"next": 1})[0] == {"next": 1}
    assert time.monotonic() - before < 0.5


def test_who_moves_on_gets_away_at_once_and_frees_the_lane(two_lanes):
    gone = threading.Event()
    threading.Timer(0.2, gone.set).start()
    before = time.monotonic()
    with asking(Asker(name="a", moved_on=gone.is_set)), pytest.raises(MovedOnError):
        two_lanes.request("parts", {"parts": 1000}, lane=1)
    assert time.monotonic() - before < 1.0
    assert two_lanes.request("echo", {"next": 1}, lane=1)[0] == {"next": 1}
    assert time.monotonic() - before < 3.0


def test_who_moves_on_while_waiting_is_never_worked_for():
    with make() as worker:
        worker.wait_ready(30)
        hold(worker, 0.5)
        pid = worker.pid
        with asking(Asker(moved_on=lambda: True)), pytest.raises(MovedOnError):
            worker.request("exit")
        assert worker.request("echo", {"next": 1})[0] == {"next": 1}
        assert worker.pid == pid


def test_a_request_over_its_time_leaves_without_a_restart(two_lanes):
    pid = two_lanes.pid
    with pytest.raises(WorkerTimeoutError, match=r"within 0\.2 s"):
        two_lanes.request("parts", {"parts": 1000}, timeout_s=0.2, lane=1)
    assert two_lanes.request("echo", {"next": 1}, lane=1)[0] == {"next": 1}
    assert two_lanes.pid == pid


def test_one_that_does_not_leave_costs_only_itself(two_lanes):
    pid = two_lanes.pid
    innocent = two_lanes.submit("now", {"s": 3.0})
    with pytest.raises(WorkerTimeoutError):
        two_lanes.request("sleep", {"s": 60}, timeout_s=0.2, lane=1)
    assert innocent.result(30)[0]["now"] > 0
    assert two_lanes.pid != pid


def test_a_death_of_its_own_is_told_to_all_who_wait_for_an_answer(two_lanes):
    other = hold(two_lanes, 60, lane=1)
    with pytest.raises(WorkerDiedError, match="SIGKILL"):
        two_lanes.request("kill")
    with pytest.raises(WorkerDiedError):
        other.result(30)
    assert two_lanes.request("echo", {"next": 1})[0] == {"next": 1}


def test_a_lane_that_does_not_exist_is_the_last_one():
    with make() as worker:
        assert worker.request("echo", {"next": 1}, lane=2)[0] == {"next": 1}


def test_the_asker_is_found_by_thread_block_and_finder():
    assert find_asker() == Asker()
    use_finder(lambda: Asker(name="page"))
    try:
        assert find_asker().name == "page"
        with asking(Asker(name="block", moved_on=lambda: True)):
            with background():
                assert (find_asker().name, find_asker().background) == ("block", True)
            found = []
            thread = threading.Thread(target=carry(lambda: found.append(find_asker())))
            thread.start()
            thread.join()
            assert found[0].name == "block"
            assert not found[0].moved_on()
    finally:
        use_finder(None)
    assert find_asker().name == ""


def test_only_work_above_the_first_lane_gives_way(two_lanes):
    assert two_lanes.request("gives way")[0] == {"gives way": False}
    assert two_lanes.request("gives way", lane=1)[0] == {"gives way": True}


def test_outside_a_child_there_is_nobody_to_give_way_to():
    checkpoint()
    assert not gives_way()
