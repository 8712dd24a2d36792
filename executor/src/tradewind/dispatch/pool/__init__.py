"""Pods that wait for a launch, everything imported: kept in pools, claimed one by one."""
