"""Layer kinds: what a node of a network computes, one file a kind; ``graph`` puts them together.

``glorotlab.theory.mean_field.layers`` has a file of the same name for each kind that can be predicted.
"""
