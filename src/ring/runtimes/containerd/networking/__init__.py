"""Namespace networks of containerd's instances: a bridge each, by CNI, kept apart, with names."""
