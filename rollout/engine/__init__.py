"""The engine: `runner` is the only loop, and `tick` decides what it does next; nobody puts the steps together elsewhere.

`settle` says which effects the world shows, and which may be sent; `send` sends them.
"""
