"""The common part of both ends of the fabric: envelopes, frames, sockets, addresses, types."""
