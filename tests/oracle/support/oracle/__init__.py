"""The oracle tier: upstream's own tests, run against upstream and against Tradewind."""
