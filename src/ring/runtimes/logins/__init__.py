"""Registry logins as Docker and Podman keep them: one lookup for files of the host and for secrets.

Apart from every runtime, since all that pull from registries share it.
"""
