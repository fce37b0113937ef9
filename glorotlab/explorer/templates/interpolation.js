/* Cubic interpolation on an equally spaced grid of ln x: the rule of interpolation.py. */

/** Return the slopes at the nodes of a row, for a step of 1. */
function slopesOf(row) {
  const last = row.length - 1;
  return row.map((_, i) => {
    if (i === 0) return (-3 * row[0] + 4 * row[1] - row[2]) / 2;
    if (i === last) return (3 * row[last] - 4 * row[last - 1] + row[last - 2]) / 2;
    if (i === 1 || i === last - 1) return (row[i + 1] - row[i - 1]) / 2;
    return (8 * (row[i + 1] - row[i - 1]) - (row[i + 2] - row[i - 2])) / 12;
  });
}

/** Return the place of ln x on an axis {start, step, cells}: its cell, where it lies in it, how far beyond the grid. */
function placeOf(axis, logarithm) {
  const position = (logarithm - axis.start) / axis.step;
  const inside = Math.min(Math.max(position, 0), axis.cells);
  const cell = Math.min(Math.floor(inside), axis.cells - 1);
  return { cell, share: inside - cell, beyond: position - inside };
}

/** Return a row at a place; beyond the grid it goes on straight, or stays as it is. */
function valueAt(row, slopes, { cell, share, beyond }, straight) {
  const t = share, rest = 1 - t;
  const value = rest * rest * ((1 + 2 * t) * row[cell] + t * slopes[cell])
    + t * t * ((3 - 2 * t) * row[cell + 1] - rest * slopes[cell + 1]);
  return straight && beyond ? value + beyond * slopes[beyond < 0 ? 0 : row.length - 1] : value;
}

/** Return a function of two logarithms that interpolates a table with one row for each node of the first axis. */
function surface(first, second, rows) {
  const slopes = rows.map(slopesOf);
  return (a, b) => {
    const place = placeOf(first, a), across = placeOf(second, b);
    const column = [-2, -1, 0, 1, 2, 3].map((i) => { // the nodes of the cell, and their neighbors for slopes
      const node = Math.min(Math.max(place.cell + i, 0), first.cells);
      return valueAt(rows[node], slopes[node], across, true);
    });
    const inner = [2, 3].map((i) => (8 * (column[i + 1] - column[i - 1]) - (column[i + 2] - column[i - 2])) / 12);
    return valueAt(column.slice(2, 4), inner, { cell: 0, share: place.share, beyond: 0 }, false);
  };
}
