"""What providers say in headers and prose (when to come back, what an error is about), and limits
as people write them.

Belongs here: pure readers of text that no one dialect owns. Does not belong here: JSON of a wire
format.
"""
