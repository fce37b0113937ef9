"""Models of other programs: what they save, read and written as networks of ours."""
