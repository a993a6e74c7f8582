"""The engine in Redis or Valkey, for gateways on several machines.

Belongs here: the function library (`*.lua`), which answers what `shared/engine.py` answers; the
port that asks it; the connection. Does not belong here: what the engine decides. Nothing of this
folder is imported without `[cluster]`.
"""
