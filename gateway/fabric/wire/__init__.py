"""What both ends of the fabric share: envelopes, frames, sockets, addresses, types."""
