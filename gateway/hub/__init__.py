"""The hub format and what every dialect shares: chats, chunks, fields, tools, the contracts of a
dialect's two faces.

Belongs here: pure code that at least two dialects use. Does not belong here: a vendor's wire
format, I/O, a clock.
"""
