"""Strangers to the gateway: peers, proxies and process tools that share no code with it."""
