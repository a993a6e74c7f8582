"""How many function calls the gateway makes for one request, counted exactly.

A count has no noise: it is the same on every machine, so that it can be a ceiling in the suite,
which a time cannot. See `counting.py` for what is counted, and `cases.py` for the requests.
"""
