"""The command line: the program `sentiment`, and the terminal output that all commands share."""
