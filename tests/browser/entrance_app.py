"""The dashboard where one has to sign in, on made-up models: ``streamlit run tests/browser/entrance_app.py``.

The file ``skip`` in the data folder holds how many seconds the clock of the sessions is ahead; ``/events`` is the
journal, behind the gate like everything else.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import streamlit as st
from starlette.responses import JSONResponse
from starlette.routing import Route

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fake_models  # noqa: E402
from access_site import CHEAP, Site  # noqa: E402

from medcore.access import open_access  # noqa: E402
from medcore.services.trust import activation  # noqa: E402
from medcore.ui import runtime, server  # noqa: E402

FOLDER = Path(os.environ["MEDCORE_DATA"])
FOLDER.mkdir(parents=True, exist_ok=True)


def read_clock():
    skip = FOLDER / "skip"
    return time.time() + (float(skip.read_text() or 0) if skip.exists() else 0.0)


house = fake_models.make_house(FOLDER)
access = open_access(FOLDER, house.journal, clock=read_clock, cost=CHEAP)
site = Site(access=access, journal=house.journal, clock=read_clock, folder=FOLDER)
for name, roles in (("ada", ["clinician"]), ("root", ["administrator"]), ("olga", ["auditor"])):
    site.add(name=name, roles=roles)
if os.environ.get("TEST_SIGNED", "yes") == "yes":
    facts = fake_models.make_facts("diabetes")  # all made-up models have its fingerprint
    administrators = replace(house, who=lambda: site.administrator)
    activation.sign_on_trust(administrators, facts, "Made up, for tests only.", version=0)
runtime.use(replace(house, access=access, who=lambda: None))


def list_events(_request):
    return JSONResponse([[item.actor, item.action, item.outcome] for item in house.journal.events(1000)])


app = st.App(
    str(ROOT / "streamlit_app.py"),
    lifespan=server.lifespan,
    routes=[*server.ROUTES, Route("/events", list_events)],
    middleware=server.MIDDLEWARE,
)
