"""The server without a visitor: readiness and the daily retention run."""

import asyncio
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from actors import act_as
from fake_models import make_house

from medcore.errors import WorkerDiedError
from medcore.journal import Journal, Who
from medcore.services.trust import demo_patients, readiness, retention
from medcore.ui import runtime, upkeep

BY = Who(actor="dr.test")


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.setattr(upkeep, "_last", None)
    clock = SimpleNamespace(now=datetime(2026, 1, 1, tzinfo=UTC))
    house = replace(make_house(tmp_path), journal=Journal(tmp_path / "data", clock=lambda: clock.now))
    runtime.use(house)
    yield house, clock
    house.journal.close()
    runtime.use(None)


def run_apart(work):
    """Run a coroutine in a thread of its own: the browser tests leave a running loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def ask():
    answer = run_apart(upkeep.answer_ready(None))
    return answer.status_code, json.loads(answer.body)


def test_ready_and_what_is_not(house, monkeypatch):
    inside, _ = house
    assert ask() == (200, {"status": "ready", "models": "ok", "journal": "ok", "disk": "ok"})
    monkeypatch.setattr(upkeep, "_FRESH_S", 0.0)
    inside.gateway.is_ready = False
    status, found = ask()
    assert (status, found["models"]) == (503, "not_ready")
    inside.gateway.is_ready = True
    monkeypatch.setattr(readiness, "LEAST_FREE_MB", 10**12)
    assert ask()[1]["disk"] == "full"


def test_a_journal_that_is_gone(house, monkeypatch):
    inside, _ = house
    inside.journal.open()
    inside.journal.close()
    shutil.rmtree(inside.journal.folder.root)
    inside.journal.folder.root.write_text("in the way")
    status, found = ask()
    assert (status, found["journal"]) == (503, "Storage")


def test_the_rule_runs_by_itself(house, monkeypatch):
    inside, clock = house
    patient = inside.journal.patients.create({"name": "A"}, by=BY)
    boss = replace(inside, who=lambda: act_as("administrator"))
    retention.set_days(boss, 30, seen=retention.preview(boss, 30), version=0)
    clock.now += timedelta(days=31)
    monkeypatch.setattr(upkeep, "DAY_S", 0.01)

    async def live():
        task = asyncio.create_task(upkeep.keep_retention())
        for _ in range(200):
            await asyncio.sleep(0.02)
            if inside.journal.patients.list()[0].erased_at:
                break
        task.cancel()

    run_apart(live())
    assert inside.journal.patients.read(patient.pseudonym, by=BY).erased_at
    assert inside.journal.audit.verify().ok


def test_a_failure_is_logged_by_its_kind_only(house, caplog, monkeypatch):
    inside, clock = house
    inside.journal.patients.create({"name": "Zenobia"}, by=BY)
    boss = replace(inside, who=lambda: act_as("administrator"))
    retention.set_days(boss, 30, seen=retention.preview(boss, 30), version=0)
    clock.now += timedelta(days=31)
    inside.journal.close()
    inside.journal._pragmas = ("query_only = 1",)
    with caplog.at_level("ERROR"):
        assert upkeep.run_retention() == 0
    assert caplog.messages == ["the retention run failed: Storage"]


def test_the_demos_patients_wait_for_the_models(house, monkeypatch):
    inside, _ = house
    demo = replace(inside, settings=replace(inside.settings, demo=True))
    runtime.use(demo)
    asked = []

    def fill(served, *, go_on):
        asked.append((served is demo, served.gateway.is_ready, go_on()))

    monkeypatch.setattr(upkeep, "_READY_S", 0.01)
    monkeypatch.setattr(demo_patients, "fill_demo", fill)
    demo.gateway.is_ready = False

    async def live():
        task = asyncio.create_task(upkeep.make_demo_patients())
        await asyncio.sleep(0.1)
        early = list(asked)
        demo.gateway.is_ready = True
        await task
        return early

    assert run_apart(live()) == []
    assert asked == [(True, True, True)]


def test_a_server_that_stops_breaks_the_making_off(house, monkeypatch):
    inside, _ = house
    demo = replace(inside, settings=replace(inside.settings, demo=True))
    runtime.use(demo)
    begun, ended = threading.Event(), threading.Event()

    def fill(served, *, go_on):
        begun.set()
        for _ in range(500):
            if not go_on():
                ended.set()
                return
            time.sleep(0.01)

    monkeypatch.setattr(demo_patients, "fill_demo", fill)

    async def live():
        task = asyncio.create_task(upkeep.make_demo_patients())
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()

    run_apart(live())
    assert ended.wait(10)


def test_what_keeps_a_demo_from_its_patients_is_logged_by_its_kind(house, monkeypatch, caplog):
    inside, _ = house
    runtime.use(replace(inside, settings=replace(inside.settings, demo=True)))

    def fill(served, *, go_on):
        raise WorkerDiedError("Zenobia")

    monkeypatch.setattr(demo_patients, "fill_demo", fill)
    with caplog.at_level("ERROR"):
        run_apart(upkeep.make_demo_patients())
    assert caplog.messages == [f"the demo's patients were not made: {WorkerDiedError('').code}"]
