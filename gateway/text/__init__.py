"""What providers say in headers and prose: when to come back, and what an error is about.

Belongs here: pure readers of text that no one dialect owns. Does not belong here: JSON of a wire format.
"""
