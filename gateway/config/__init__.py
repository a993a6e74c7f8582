"""Files to a validated configuration: `schema` has the keys, `load` finds, merges, checks and
builds.

Belongs here: everything that reads or explains configuration files. Does not belong here: reloading
(`process/`).
"""
