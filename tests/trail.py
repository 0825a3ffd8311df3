"""What tests of the audit trail share: events, and what somebody with the database's key could do to them."""

from medcore.journal import Event

EVENT = Event(
    actor="account:ada",
    role="clinician",
    session="7",
    action="assess",
    outcome="scored",
    condition="diabetes",
    model_id="diabetes-logistic",
    sha256="ab" * 32,
    patient="P-7KQ2MWXA",
)


def fill(journal, n=20, **facts):
    from dataclasses import replace

    with journal.writing() as pen:
        for _ in range(n):
            pen.record(replace(EVENT, **facts))


def tamper(journal, *statements):
    """Run statements behind the journal's back, with the triggers of the events taken off."""
    with journal.writing() as pen:
        for name in ("no_update", "no_delete", "no_replace"):
            pen.connection.exec_driver_sql(f"DROP TRIGGER events_{name}")
        for statement in statements:
            pen.connection.exec_driver_sql(statement)


TAMPERINGS = {
    "edited": ("changed", ["UPDATE events SET outcome = 'withheld' WHERE number = 7"]),
    "removed": ("missing", ["DELETE FROM events WHERE number = 7"]),
    "reordered": (
        "changed",
        [
            "UPDATE events SET number = 1000000 WHERE number = 5",
            "UPDATE events SET number = 5 WHERE number = 6",
            "UPDATE events SET number = 6 WHERE number = 1000000",
        ],
    ),
    "cut off": ("truncated", ["DELETE FROM events WHERE number > 17"]),
}
"""The four tamperings: the kind of what is found first, and the statements."""
