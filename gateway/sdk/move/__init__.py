"""C-MOVE: the destinations, and the sub-operations that a worker sends there (PS3.4 C.4.2)."""
