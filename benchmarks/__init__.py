"""What the gateway costs, beside nginx and its peers: `python -m benchmarks`. See README.md beside
this file."""
