"""Study complete: tell that a study has arrived, once, to whoever waits for that."""
