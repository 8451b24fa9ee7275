"""What instances take of the machine, read from its own files: no engine is asked for it."""
