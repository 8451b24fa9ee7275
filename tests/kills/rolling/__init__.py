"""`kill -9` of the server while three deployments roll: a good one, a broken one, and one whose
update is overtaken by the next. A seed decides the moments and what is wrong with the broken one.
"""
