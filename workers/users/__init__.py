"""The worker `users`: verifies the user identity of peers (PS3.7 D.3.3.7)."""
