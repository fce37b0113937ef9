"""What the experiments of Nielsen's chapter 5 share."""
