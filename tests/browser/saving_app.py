"""The dashboard with a made-up model side and an address that assesses and saves: for tests that kill the server."""

import os
import sys
from pathlib import Path

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fake_models  # noqa: E402

from medcore.errors import MedcoreError  # noqa: E402
from medcore.services.bedside import clinic  # noqa: E402
from medcore.services.house import find_condition  # noqa: E402
from medcore.services.trust import cases  # noqa: E402
from medcore.ui import runtime, server  # noqa: E402

house = fake_models.make_house(Path(os.environ["MEDCORE_DATA"]))
runtime.use(house)
CONDITION = find_condition("diabetes")
READING = clinic.read_form(CONDITION, dict(CONDITION.examples[0].values))


def save(key):
    """Do what the page's button does: assess, then save exactly that."""
    assessment = clinic.assess(
        CONDITION.id, f"{CONDITION.id}-logistic", READING, actor=house.actor, journal=house.journal,
        gateway=house.gateway, catalog=house.catalog,
    )  # fmt: skip
    return cases.save_assessment(
        house, condition_id=CONDITION.id, reading=READING, assessment=assessment, pseudonym=None, key=key
    )


async def answer(request):
    try:
        saved = await run_in_threadpool(save, request.path_params["key"])
    except MedcoreError as error:
        return JSONResponse({"error": error.message}, status_code=507)
    return JSONResponse({"id": saved.id})


app = st.App(
    str(ROOT / "streamlit_app.py"),
    lifespan=server.lifespan,
    routes=[*server.ROUTES, Route("/save/{key}", answer)],
    middleware=server.MIDDLEWARE,
)
