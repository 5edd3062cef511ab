"""What is in `deploy/`: rules and dashboards."""
