"""The worker `audit`: an audit trail by PS3.15 A.5, to files and to syslog over TLS."""
