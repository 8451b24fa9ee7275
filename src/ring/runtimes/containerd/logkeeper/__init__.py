"""The process that writes what instances say into files, for as long as any of them lives.

A task's output goes into FIFOs whose both ends its shim keeps open, so whoever reads them may be
replaced: what is unread waits, and a program blocks once that is a pipe full. One keeper reads the
FIFOs of a whole run directory. It outlives the server that started it, and so it imports nothing
but the standard library's small parts: this is the memory that a machine pays while Ring rests.
"""
