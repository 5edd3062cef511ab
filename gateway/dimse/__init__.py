"""DIMSE: message exchange (PS3.7) and the services built on it (PS3.4).

Functions of bytes: no socket, clock, thread or log. A command set is never larger than 64 KiB; a
data set is passed on as it arrives and never collected here.
"""
