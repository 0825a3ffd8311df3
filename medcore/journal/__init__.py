"""What was done, by whom and with which model: an append-only record without patient values."""

from medcore.journal.journal import Event, Journal, open_journal

__all__ = ["Event", "Journal", "open_journal"]
