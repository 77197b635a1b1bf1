"""The engine: `runner` is the only loop, and `tick` decides what it does next; nobody else puts the steps together.

`settle` says which effects the world shows, and which may be sent; `send` sends them.
"""
