"""Where the server itself may connect to for its users: names resolved, addresses judged."""
