"""Modality worklist from the files of a folder (PS3.4 annex K)."""
