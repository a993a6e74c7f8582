"""Files to a validated configuration: `schema` says what may stand there, `load` finds, merges, checks and builds."""
