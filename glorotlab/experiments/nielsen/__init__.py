"""Experiments of Nielsen (2015), chapter 5, one file a figure, table or claim."""
