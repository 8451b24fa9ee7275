"""What Ring itself has to know of networks: which addresses are free on this machine."""
