"""Limits of MLflow."""

# Characters of the name of a run, and of the values of a tag and a parameter.
NAME_LENGTH, TAG_LENGTH, PARAM_LENGTH = 250, 5000, 6000
# Parameters or metrics in one call.
CALL_ITEMS = 100
