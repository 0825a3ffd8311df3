"""Results -> documents to hand on: pure functions from facts to bytes."""
