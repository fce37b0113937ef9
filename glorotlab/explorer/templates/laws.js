/* Laws over networks of one second moment: a log-normal factor, and draws of the outputs. */

/** Second moments below this, of gradients of outputs that are saturated and right, count as 0. */
const SILENT = 1e-100;

/** Return Phi(x), to 1e-7 (Abramowitz & Stegun 7.1.26). */
function normalProbability(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x) / Math.SQRT2);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = series * Math.exp(-x * x / 2) / 2;
  return x < 0 ? tail : 1 - tail;
}

/** Return erf(x), to 2e-7; activations are written with it. */
function erf(x) {
  return 2 * normalProbability(x * Math.SQRT2) - 1;
}

/** The normal variables at which a law has its quantiles. */
const NORMAL = [...Array(161).keys()].map((i) => (i - 80) / 16);

/** Return a normal law of ln T as quantiles x at NORMAL. */
function lawOf({ mean, variance }) {
  return NORMAL.map((z) => mean + Math.sqrt(variance) * z);
}

const QUANTILES = 2000;

/** Normal variables of equal probability. */
const NORMAL_QUANTILES = (() => {
  const quantiles = [];
  let z = -5;
  for (let i = 0; i < QUANTILES; i += 1) {
    while (normalProbability(z) < (i + 0.5) / QUANTILES) z += 0.002;
    quantiles.push(z);
  }
  return quantiles;
})();

/** The number of normal variables for each draw of the outputs. */
const STRATA = 4;

/** Return the normal variable of a draw in one of the strata: a share of the probability each, evenly filled. */
function stratum(draw, part) {
  const place = (draw * (Math.sqrt(5) - 1) / 2) % 1;
  return NORMAL_QUANTILES[Math.floor((part + place) / STRATA * QUANTILES)];
}

/** Return the probability that ln T of a law is at most x. */
function probabilityBelow(law, x) {
  let low = 0, high = law.length - 1;
  if (x <= law[low]) return 0;
  if (x >= law[high]) return 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (law[middle] <= x) low = middle;
    else high = middle;
  }
  return normalProbability(NORMAL[low] + (NORMAL[high] - NORMAL[low]) * (x - law[low]) / (law[high] - law[low]));
}

/** The number of bins of draws. */
const BINS = 256;

/** Return positive numbers as bins {logarithms, shares}, finer at both ends; shares sum to less than 1 by the zeros. */
function binned(values) {
  const logarithms = Float64Array.from(values.filter((value) => value > SILENT), Math.log).sort();
  const edges = [...Array(BINS + 1).keys()].map((i) => (
    Math.round(logarithms.length * Math.sin(Math.PI * i / (2 * BINS)) ** 2)
  ));
  const bins = edges.slice(1).map((end, i) => logarithms.subarray(edges[i], end)).filter((bin) => bin.length);
  return {
    logarithms: bins.map((bin) => bin.reduce((a, b) => a + b) / bin.length),
    shares: bins.map((bin) => bin.length / values.length),
  };
}

/** Return the quantile of D T for bins of draws D and a law of ln T. */
function quantile({ logarithms, shares }, law, probability) {
  const silent = 1 - shares.reduce((a, b) => a + b, 0);
  if (!shares.length || silent >= probability) return 0;
  let low = logarithms[0] + law[0], high = logarithms[logarithms.length - 1] + law[law.length - 1];
  for (let step = 0; step < 17; step += 1) {
    const middle = (low + high) / 2;
    let below = silent;
    for (let i = 0; i < shares.length; i += 1) below += shares[i] * probabilityBelow(law, middle - logarithms[i]);
    if (below < probability) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}
