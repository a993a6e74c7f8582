"""State that the calls and the processes of a gateway share: circuits, slots, the waiting room,
replayed reasoning.

Belongs here: state that outlives a call and a reload. Does not belong here: what one request or one
configuration knows; sockets, apart from the connection between workers.
"""
