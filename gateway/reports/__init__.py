"""Plain data about the gateway for people: the commands, `--json`, `/status` and the page render
it.

Belongs here: gathering, as dataclasses with documented fields; one file per subject. Does not
belong here: rendering (`cli/`), recording (`observe/`).
"""
