"""Readers of providers' headers and prose (when to come back, what an error is about), and of
limits as people write them.

Belongs here: pure readers of text that no single dialect owns. Does not belong here: JSON of a wire
format.
"""
