/* Laws over networks of one second moment: a log-normal factor, factors of few units, and draws of the outputs. */

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

/** Normal variables z of a fine grid, with their probabilities. */
const NORMAL = (() => {
  const z = [...Array(161).keys()].map((i) => (i - 80) / 16);
  const density = z.map((value) => Math.exp(-value * value / 2));
  const total = density.reduce((a, b) => a + b);
  return { z, probability: density.map((value) => value / total) };
})();

/** Return the cumulants of ln F, F having mean 1, this variance and third cumulant: F^p is taken as normal. */
function logCumulants(variance, third) {
  const p = 1 - third / (3 * variance ** 2), width = Math.sqrt(variance);
  const logarithm = NORMAL.z.map((z) => (
    Math.abs(p) < 1e-6 ? width * z : Math.log(Math.max(1 + p * width * z, 1e-3)) / p
  ));
  const moment = (of) => NORMAL.probability.reduce((sum, share, i) => sum + share * of(logarithm[i]), 0);
  const mean = moment((x) => x), scale = moment(Math.exp);
  const central = [2, 3, 4].map((order) => moment((x) => (x - mean) ** order));
  return [mean - Math.log(scale), central[0], central[1], central[2] - 3 * central[0] ** 2];
}

/** Return the law of ln T as quantiles x at the z of NORMAL, from its four cumulants (Cornish & Fisher 1938). */
function lawOf([mean, variance, third, fourth]) {
  const deviation = Math.sqrt(variance);
  const skewness = third / deviation ** 3, excess = fourth / variance ** 2;
  let highest = -Infinity;
  return NORMAL.z.map((z) => {
    const bent = z + (z ** 2 - 1) * skewness / 6 + (z ** 3 - 3 * z) * excess / 24
      - (2 * z ** 3 - 5 * z) * skewness ** 2 / 36;
    highest = Math.max(highest, mean + deviation * bent); // quantiles never fall
    return highest;
  });
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
  const { z } = NORMAL;
  return normalProbability(z[low] + (z[high] - z[low]) * (x - law[low]) / (law[high] - law[low]));
}

const BINS = 128;

/** Return positive numbers as bins of equal counts, {logarithms, shares}; shares sum to less than 1 by the zeros. */
function binned(values) {
  const logarithms = Float64Array.from(values.filter((value) => value > SILENT), Math.log).sort();
  const bins = [...Array(Math.min(BINS, logarithms.length)).keys()].map((bin) => (
    logarithms.subarray(Math.floor(bin * logarithms.length / BINS), Math.floor((bin + 1) * logarithms.length / BINS))
  )).filter((bin) => bin.length);
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
  for (let step = 0; step < 26; step += 1) {
    const middle = (low + high) / 2;
    let below = silent;
    for (let i = 0; i < shares.length; i += 1) below += shares[i] * probabilityBelow(law, middle - logarithms[i]);
    if (below < probability) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}
