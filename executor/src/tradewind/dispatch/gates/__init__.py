"""What holds creates back. Every gate is pure bookkeeping: time comes in as an argument."""
