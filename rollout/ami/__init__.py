"""AMIs on their way to the nodes: built, looked at, shared, listed, pruned.

What is decided here is decided by functions; images, snapshots and keys are reached through the port in `images`.
"""
