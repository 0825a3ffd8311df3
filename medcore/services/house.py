"""The parts every use case needs, opened together: settings, shelf of models, journal, model process, film reader.

Also the one place from which the pages learn which clinical questions there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from medcore.access import (
    Access,
    Action,
    Actor,
    Page,
    Resource,
    authorize,
    authorize_page,
    make_local_actor,
    open_access,
)
from medcore.access.demo import make_demo_actor, settle_demo
from medcore.conditions.catalog import find_condition, find_film_condition, list_conditions, list_film_conditions
from medcore.conditions.condition import Condition, Example
from medcore.conditions.film_condition import FilmCondition
from medcore.config import Settings, read_settings
from medcore.errors import AccessDeniedError
from medcore.imaging.reader import FilmReader
from medcore.journal import Journal
from medcore.registry import Catalog, DefaultChoice
from medcore.registry.shelves import further_folders
from medcore.services.compare.analysis_child import AnalysisProcess
from medcore.services.films.worklist import FilmMemory, FilmSource
from medcore.services.gateway import Gateway
from medcore.services.model_child import ChildGateway

__all__ = [
    "Catalog",
    "Condition",
    "DefaultChoice",
    "Example",
    "FilmCondition",
    "House",
    "Page",
    "authorize_page",
    "build_house",
    "find_condition",
    "find_film_condition",
    "list_conditions",
    "list_film_conditions",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The process-wide parts a page hands to a service. Holds nothing about a patient.

    ``film_memory`` is what all open films together may take; ``reader`` opens them in a helper process;
    ``analysis`` reads and measures uploaded tables in another, which starts at its first use.

    ``who`` says who acts. It is asked at every use, so that a session that has ended, or a role that was taken
    away, counts at once; ``access`` is None where nobody has to sign in (demo, command line).
    """

    settings: Settings
    catalog: Catalog
    journal: Journal
    gateway: Gateway
    reader: FilmSource
    film_memory: FilmMemory
    who: Callable[[], Actor | None]
    access: Access | None = None
    analysis: AnalysisProcess = field(default_factory=AnalysisProcess)

    @property
    def actor(self) -> Actor:
        """Who acts, as of this moment.

        Raises
        ------
        AccessDeniedError
            Nobody is signed in, or the session is over (its kinds ``SessionExpiredError``, ``SessionRevokedError``).
        """
        actor = self.who()
        if actor is None:
            raise AccessDeniedError("Nobody is signed in. Sign in first.")
        return actor

    def allow(self, action: Action, resource: Resource) -> Actor:
        """Return who acts if they may do this now.

        Raises
        ------
        AccessDeniedError
            They may not, or nobody is signed in.
        """
        actor = self.actor
        authorize(actor, action, resource)
        return actor


def build_house(settings: Settings | None = None, *, served: bool = False) -> House:
    """Open all parts; neither the model process nor the film reader is started yet.

    Parameters
    ----------
    settings : Settings, optional
        Default: read from the environment.
    served : bool, optional
        For the dashboard: nobody acts until a visitor has signed in (``services.trust.entrance.bind``), except
        in a demo. Otherwise whoever runs the program acts.

    Raises
    ------
    MedcoreError
        The model folder or the journal cannot be used, or a setting is wrong.
    """
    settings = settle_demo(settings or read_settings())
    asks = served and not settings.demo
    actor = None if asks else make_demo_actor() if settings.demo else make_local_actor()
    journal = Journal(settings.data_dir)
    return House(
        settings=settings,
        catalog=Catalog(settings.models_dir),
        journal=journal,
        gateway=ChildGateway(
            settings.models_dir,
            further=further_folders(settings),
            threads=settings.threads,
            timeout_s=settings.model_timeout_s,
        ),
        reader=FilmReader(),
        film_memory=FilmMemory(settings.film_memory_mb),
        who=lambda: actor,
        access=open_access(settings.data_dir, journal) if asks else None,
    )
