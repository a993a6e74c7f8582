"""The operating system's side: the server and its drain, workers, systemd, reloads.

Belongs here: signals, sockets, child processes. Does not belong here: anything that a call passes
through.
"""
