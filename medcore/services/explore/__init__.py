"""Explanations of whole cohorts: computed once per model, kept, and laid out for the page."""
