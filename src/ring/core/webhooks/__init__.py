"""Outbound events: what is told, to which hook, and how often it is tried."""
