"""Launch pods, follow them to their end, delete them once. Runs on the loop thread alone."""
