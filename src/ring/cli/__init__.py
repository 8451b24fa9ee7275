"""The command line: a client of the API, and the door that starts the server."""
