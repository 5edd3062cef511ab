"""What workers that serve HTTP share: who may look (`access`), the server (`web_server`)."""
