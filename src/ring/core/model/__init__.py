"""The nouns: what a deployment, an instance, a failure and an operation are."""
