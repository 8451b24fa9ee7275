"""What instances write, for whoever asks."""
