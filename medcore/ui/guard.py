"""What every page does first: get the shared parts, or say in one sentence why not and stop."""

from __future__ import annotations

from html import escape
from typing import NoReturn

import streamlit as st

from medcore.errors import MedcoreError
from medcore.results import ModelFacts
from medcore.services.house import Condition, FilmCondition, House, Page, authorize_page
from medcore.ui import runtime

__all__ = ["find_film_model", "find_model", "open_house", "stop_with"]


def open_house(page: str) -> House:
    """Return the shared parts, with the models as they now are; on failure show the reason and end the page.

    ``page`` is the page's address: who may not open it sees one sentence and nothing else.
    """
    try:
        house = runtime.open_house()
    except MedcoreError as error:
        stop_with("Medcore cannot start", error.message)
    try:
        authorize_page(house.actor, Page(page))
    except MedcoreError as error:
        stop_with("This page is not open to you", error.message)
    house.catalog.refresh()
    return house


def find_model(house: House, condition: Condition) -> ModelFacts:
    """Return the model the condition uses; without one show why, with every refused bundle, and end the page."""
    try:
        return house.catalog.default(condition.id)
    except MedcoreError as error:
        problems = [f"{name}: {problem.message}" for name, problem in house.catalog.problems.items()]
        stop_with("No model for this question", error.message, problems)


def find_film_model(house: House, condition: FilmCondition) -> ModelFacts | None:
    """Return the model the question about films uses; None without one: films open all the same."""
    try:
        return house.catalog.default(condition.id)
    except MedcoreError:
        return None


def stop_with(title: str, message: str, details: list[str] | None = None) -> NoReturn:
    """Show one problem and end the page."""
    items = "".join(f"<li>{escape(text)}</li>" for text in details or [])
    st.html(
        f'<section class="mc-problem" role="alert"><h2>{escape(title)}</h2><p>{escape(message)}</p>'
        f"{f'<ul>{items}</ul>' if items else ''}</section>"
    )
    st.stop()
