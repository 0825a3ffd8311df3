"""Bringing the tables up to date with Alembic; an unknown state is refused, never guessed at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcore.errors import StorageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["HEAD", "copy_tables", "find_version", "upgrade"]

HEAD = "0003"
"""The newest step in ``migrations/versions``."""

_alembic_lock = threading.Lock()  # Alembic keeps what it works on in module globals


def find_version(connection: Connection) -> str | None:
    """Return the step that the tables are at; None in an empty database.

    Raises
    ------
    StorageError
        It holds tables of another program.
    """
    import sqlalchemy

    names = set(sqlalchemy.inspect(connection).get_table_names())
    if "alembic_version" not in names:
        if names:
            raise StorageError("The journal's database belongs to another program. Choose another one.")
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
    if "events" not in names or len(found) != 1:
        raise StorageError("The journal's database belongs to another program. Choose another one.")
    return str(found[0])


def copy_tables(connection: Connection, version: str) -> str:
    """Copy every table of a PostgreSQL journal into a new schema of the same database and return its name."""
    import sqlalchemy

    inspector = sqlalchemy.inspect(connection)
    taken = inspector.get_schema_names()
    wanted = (f"medcore_before_{version}" + (f"_{number}" if number else "") for number in range(len(taken) + 1))
    name = next(name for name in wanted if name not in taken)
    connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
    for table in inspector.get_table_names():
        connection.exec_driver_sql(f'CREATE TABLE "{name}"."{table}" AS TABLE "{table}"')
    return name


def upgrade(connection: Connection, *, to: str = HEAD, before: Callable[[str], None] | None = None) -> None:
    """Create or upgrade the tables inside the caller's transaction.

    Parameters
    ----------
    connection : Connection
        In a transaction as the only writer.
    to : str
        Step to reach.
    before : callable, optional
        Called with the present step before an existing database is changed: to copy it.

    Raises
    ------
    StorageError
        The tables are of a newer version of medcore, or of another program.
    """
    present = find_version(connection)
    if present == to:
        return
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    known = {step.revision for step in script.walk_revisions()}
    if present is not None and present not in known:
        raise StorageError(f"The journal has format {present}, this version of medcore reads {HEAD}. Update medcore.")
    if present is not None and before is not None:
        before(present)

    def steps(revision: Any, _: Any) -> Any:
        return script._upgrade_revs(to, revision)

    with _alembic_lock, EnvironmentContext(config, script, fn=steps, destination_rev=to) as environment:
        environment.configure(connection=connection, transactional_ddl=False)
        environment.run_migrations()
