"""A real Kubernetes cluster of one node from programs built here, for Linux as root.

`bringup.up` and `teardown.down` are idempotent and may be killed at any moment: every step looks
at what is there and makes it so, and nothing that the cluster does leaves the state folder except
what `network` and `cgroups` name with our own names and take away again.
"""
