"""Modality worklist (PS3.4 annex K) from a folder, a database, or a function."""
