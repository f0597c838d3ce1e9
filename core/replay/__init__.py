"""Recording what enters the engine, and letting a recording pass through the very same engine again."""
