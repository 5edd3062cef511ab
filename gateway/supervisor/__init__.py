"""The supervisor: starts the processes of a gateway, restarts those that die, and stops all.

It owns the data directory and the listening socket. It takes no part in DICOM or in the messages
between acceptors and workers: of its children it knows only their reports and exit statuses.
"""

from gateway.supervisor.child_specs import ChildModules, WorkerLaunch
from gateway.supervisor.data_directory import RunningGateway, ask_running, find_running
from gateway.supervisor.listen import format_address
from gateway.supervisor.run_gateway import serve
from gateway.supervisor.run_worker import launch, prepare

# fmt: off
__all__ = [
    "ChildModules", "RunningGateway", "WorkerLaunch", "ask_running", "find_running",
    "format_address", "launch", "prepare", "serve",
]
# fmt: on
