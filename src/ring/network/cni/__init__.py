"""CNI: networks of instances, plugged in and out by programs of this machine (CNI 1.0.0)."""
