/* The plane of sigma_w^2 and sigma_b^2: where signals settle there, and by what factor gradients grow a layer. */

const SETTLED = 1e-9;

/** Return q where signals settle, and chi_1 = sigma_w^2 E f'^2 there; q may end at the range's bounds. */
function settle(activation, weightVariance, biasVariance, start, steps) {
  let q = start;
  const [smallest, largest] = TABLES.range;
  for (let step = 0; step < steps; step += 1) {
    const place = placeOf(TABLES.axis, Math.log(q));
    const next = weightVariance * q * Math.exp(valueAt(activation.moments[0], activation.slopes[0], place, true)) + biasVariance;
    if (!(next > smallest && next < largest)) break;
    const change = Math.abs(next / q - 1);
    q = next;
    if (change < SETTLED) break;
  }
  const place = placeOf(TABLES.axis, Math.log(q));
  return { q, factor: weightVariance * Math.exp(valueAt(activation.moments[1], activation.slopes[1], place, true)) };
}

/** Return the name of the phase of a factor. */
function phaseOf(factor) {
  if (Math.abs(factor - 1) < 2e-3) return "critical";
  return factor < 1 ? "ordered" : "chaotic";
}

/** Return the critical line as points {x, y, stable}, ascending in q; a gap where sigma_b^2 would be negative. */
function criticalLine(activation) {
  const points = [];
  for (let i = 0; i <= 4 * TABLES.axis.cells; i += 1) {
    const logarithm = TABLES.axis.start + i * TABLES.axis.step / 4, q = Math.exp(logarithm);
    const place = placeOf(TABLES.axis, logarithm), { moments, slopes } = activation;
    const [ratio, mu] = [0, 1].map((row) => Math.exp(valueAt(moments[row], slopes[row], place, true)));
    const slope = valueAt(moments[TABLES.rows.indexOf("square_slope")], slopes[TABLES.rows.indexOf("square_slope")], place);
    const y = q * (1 - ratio / mu);
    points.push(y >= -1e-9 * q ? { x: 1 / mu, y: Math.max(y, 0), stable: slope * ratio / mu <= 1 + 1e-9 } : null);
  }
  return points;
}
