"""Files of any size, read in batches without losing a row, and written to survive a kill."""
