"""What takes time: actions carried out on runtimes, in bounded lanes, each with an outcome."""
