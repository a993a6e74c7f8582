"""What the gateway says about itself: the log, metrics, and the ledger of calls with its prices.

Belongs here: recording of what happened. Does not belong here: reading it back for people
(`reports/`).
"""
