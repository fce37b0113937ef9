"""One file for each kind of result that ``gl.plot`` draws: axes, results and a variable in, handles of a legend out."""
