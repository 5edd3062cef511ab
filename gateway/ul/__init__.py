"""The DICOM upper layer protocol (PS3.8): functions of bytes and a passed-in `now`.

Standard library only; no socket, clock, thread or log.
"""
