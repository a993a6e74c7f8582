"""The sign-ins of the coding agent pi (`~/.pi/agent/auth.json`): read, renewed, and locked while
they are renewed."""
