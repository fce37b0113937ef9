"""What several experiments share: the paper's networks and their runs, its datasets, and what is drawn alike."""
