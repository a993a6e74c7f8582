"""What the gateway talks to: one attempt at one provider, over our own HTTP/1.1 connections or a
proxy.

Belongs here: I/O with providers. Does not belong here: a wire format (`dialects/`), a decision
about the next model.
"""
