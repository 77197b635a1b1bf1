"""How plans, effects and checkpoints are written as JSON, and how those of older versions are read."""
