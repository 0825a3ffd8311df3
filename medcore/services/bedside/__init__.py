"""The doctor's use cases: one patient's values in, a risk with its reasons and its case file out."""
