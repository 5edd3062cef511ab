"""Modality performed procedure steps (PS3.4 annex F): what modalities say they do and have done."""
