"""The Kubernetes API as this product uses it; the only package that opens sockets to it."""
