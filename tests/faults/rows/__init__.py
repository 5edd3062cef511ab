"""Rows of the matrix of faults, by subject; each module has a list `ROWS`."""
