"""Storage commitment (PS3.4 annex J): this archive says that it has what it was sent."""
