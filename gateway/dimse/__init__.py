"""DIMSE: message exchange (PS3.7) and the services built on it (PS3.4).

These modules are functions of bytes, without sockets, clock, threads or log. A command set has at
most 64 KiB; a data set is passed on as it arrives, and never collected here.
"""
