"""What the runtimes hold, as far as this process has been told."""
