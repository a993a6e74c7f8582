"""Plain data about the gateway for people: what the commands print, `--json` dumps and the page shows.

Belongs here: gathering. Does not belong here: rendering (`cli/`), recording (`observe/`).
"""
