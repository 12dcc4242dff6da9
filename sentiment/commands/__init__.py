"""One package per command: its job, its view and its own parts."""
