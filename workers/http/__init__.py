"""What HTTP workers share: who may look (`access`), the server (`web_server`, `clients`)."""
