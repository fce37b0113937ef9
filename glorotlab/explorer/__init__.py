"""The explorer: one page in which anybody moves a network's settings and sees signals and gradients follow."""
