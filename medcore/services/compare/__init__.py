"""The analyst's comparison: studies and uploads of labelled cases, cut-offs, local validation, the board paper."""
