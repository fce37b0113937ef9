"""Sweeps: many runs, each trained once, on this machine or a cluster."""
