"""Terminal output and the parts that all commands share."""
