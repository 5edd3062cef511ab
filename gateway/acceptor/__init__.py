"""The acceptor process: sockets, associations, and the handling of each request."""
