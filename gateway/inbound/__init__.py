"""What clients talk to: routes, access checks, request bodies, answers and streams.

Belongs here: HTTP between a client and the gateway. Does not belong here: a wire format
(`dialects/`), a decision about models (`chain`, `relay`), a provider.
"""
