"""Made-up verdicts for tests of the agreement report."""

from datetime import UTC, datetime, timedelta

from medcore.journal import NewAssessment, NewVerdict, Who

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
SHA = "ab12cd" + "0" * 58


def add(journal, *, before, called, accepted=True, code="", outcome=None, reader="ada", sha256=SHA, decide_s=30.0,
        respond_s=5.0, condition="diabetes"):  # fmt: skip
    """Store one result with its verdict; times in seconds."""
    by = Who(actor=f"account:{reader}", role="clinician")
    new = NewAssessment(condition=condition, model_id="diabetes-logistic", sha256=sha256, status="scored", inputs={})
    saved = journal.assessments.save(new, by=by)
    revealed = START + timedelta(seconds=decide_s + 1)
    verdict = NewVerdict(
        assessment_id=saved.id, opinion=before, response="accepted" if accepted else "overridden",
        reason="" if accepted else "made up", reason_code=code, called=called, threshold=0.1, opened_at=START,
        committed_at=START + timedelta(seconds=decide_s), revealed_at=revealed,
        responded_at=revealed + timedelta(seconds=respond_s),
    )  # fmt: skip
    journal.verdicts.add(verdict, by=by)
    if outcome is not None:
        journal.outcomes.save(saved.id, outcome, by=by)
    return saved


def fill(journal, n=40, readers=("ada", "bea", "cid"), **facts):
    """Store ``n`` verdicts that follow a fixed pattern; every second one has a known outcome."""
    for i in range(n):
        called, same = i % 3 == 0, i % 5 != 0
        add(
            journal,
            before="unsure" if i % 13 == 12 else "yes" if called is same else "no",
            called=called,
            accepted=i % 4 != 0,
            code="" if i % 4 else "input",
            outcome=(i % 2 == 0 and i % 7 != 0) if i % 2 == 0 else None,
            reader=readers[i % len(readers)],
            decide_s=20.0 + i,
            respond_s=3.0 + i / 4,
            **facts,
        )
