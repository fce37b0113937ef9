"""Experiments of Glorot & Bengio (2010), one file a figure, table or claim."""
