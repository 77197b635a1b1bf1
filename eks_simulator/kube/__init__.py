"""The Kubernetes half: objects, and the REST API over them."""
