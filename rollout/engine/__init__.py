"""What a runner does in one tick: `tick` decides it, and nobody puts its steps together a second time."""
