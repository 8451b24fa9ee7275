"""Images as every runtime understands them: their references, and what comes of pulling them."""
