"""Budgets and rates at the edge: how they are written, which apply to a call, what it may cost, and
what it did cost.

The decisions are the engine's (`shared/limits.py`); here are words, calendars, prices and the
ledger.
"""
