"""The names of each network, answered on its gateway; all else is asked of the host's servers."""
