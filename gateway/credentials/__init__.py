"""The providers' keys: where they are stored, how they sign a request, and pi's sign-ins.

Belongs here: everything that reads, writes or sends a secret of ours. Does not belong here: the
clients' keys, which `inbound/keys` checks.
"""
