"""The way of the ledger from SQLite to PostgreSQL, and the queries that read it there.

`outbox` is the side of SQLite, `database` that of PostgreSQL, `shipper` the thread between them.
Belongs here: everything that knows `[ledger] url`. Does not belong here: the record of a call
(`observe/ledger.py`), which is the same without PostgreSQL.
"""
