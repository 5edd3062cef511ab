"""The acceptor process: sockets, associations, and what becomes of each request."""
