"""A real API server in the simulated one's place: AWS is simulated, and its instances become nodes of that cluster.

The rest of the simulator works on the objects of `mirror.MirroredStore` as on its own: what it reads is what the API
server has told, and what it writes becomes a request.
"""
