"""`kill -9` of the server at random moments of an apply, a scale and a delete, on a real engine.

The simulation kills between any two awaits of the engine's parts, against a fake runtime; here a
whole process dies, with its database and its calls on the way. A seed decides everything; see
`scripts/kills`.
"""
