"""Health checks: single probes of instances, and their schedule."""
