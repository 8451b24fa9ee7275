"""Shell completion: scripts written from the live command tree, and what they call back for names.

The scripts know every command and flag; names of objects change, and are asked for (`names`).
"""
