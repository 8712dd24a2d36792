"""What a task pod is called, looks like and means. Pure: no clock, no I/O."""
