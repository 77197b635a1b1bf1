"""What a runner does in one tick: `tick` decides it, and nobody puts its steps together a second time.

`settle` says which effects the world shows, and which may be sent.
"""
