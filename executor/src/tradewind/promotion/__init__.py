"""Carry a release from one environment to the next by a pull request that changes one small file.

`pins`, `order`, `freeze`, `soak`, `drift`, `rules`, `guard` and `messages` decide and write texts:
pure, no clock, no I/O. `git`, `registry`, `helm`, `cluster` and `forges` are the seams. Nothing
here imports Airflow; Kubernetes is asked by kubectl alone.
"""
