"""Outbound events on their way from the store to the hooks that subscribe to them."""
