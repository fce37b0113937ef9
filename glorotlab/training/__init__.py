"""The training loop, its monitors and the folder a run leaves behind."""
