"""A run on disk: its folder, checkpoint, lock, status and derived files."""
