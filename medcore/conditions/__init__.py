"""Clinical questions: one file each."""
