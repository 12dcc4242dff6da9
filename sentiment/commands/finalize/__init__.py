"""Final fit of a recorded run on all of its labels."""
