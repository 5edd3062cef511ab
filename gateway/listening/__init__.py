"""Connections from their arrival until a protocol has them: limits, TLS, and balancers in front."""
