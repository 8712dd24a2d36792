"""A local, always current picture of pods. Generic: knows no task and no launch."""
