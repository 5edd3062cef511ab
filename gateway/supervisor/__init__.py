"""Starts what a gateway is made of, watches it, starts again what dies, and ends it in order.

The supervisor owns the data directory and the listening socket. It handles no message: whatever
happens to the processes, it only looks at their exit statuses and reports.
"""

from gateway.supervisor.launch import launch, prepare
from gateway.supervisor.listen import spoken
from gateway.supervisor.parts import Launch, Parts
from gateway.supervisor.serve import serve
from gateway.supervisor.site import Running, look

__all__ = ["Launch", "Parts", "Running", "launch", "look", "prepare", "serve", "spoken"]
