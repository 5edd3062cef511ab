"""The worker's end of the fabric: it answers requests, watches, and sends commands to acceptors."""

from gateway.fabric.wire.gateway_places import gateway_at
from gateway.fabric.worker.client import Client
from gateway.fabric.worker.generation import next_generation
from gateway.fabric.worker.pending_commands import PendingCommand

__all__ = ["Client", "PendingCommand", "gateway_at", "next_generation"]
