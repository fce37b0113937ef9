"""The history of the training step and of the machine: the suite of airspeed velocity (asv)."""
