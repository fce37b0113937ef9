/* Laws of a layer's factor of a gradient where few units carry it: few_units.py, by transforms in place of draws.

   A factor is F = sum g h^2 / n over a layer's n units, of g = f'(s)^2 over its mean and a normal h; below the outputs
   it is F = sum g h^2 / sum h^2, since the draws have the sum of h^2. A law is the masses of ln F in the cells of a grid. */

/** The step of the grid, and ln F in the middle of the first cell; smaller F count as that. */
const STEP = 0.04, LOWEST = -10, ORIGIN = Math.round(-LOWEST / STEP);

/** Probabilities below this are left out. */
const NOTHING = 1e-7;

/** Return values g with their probabilities at pre-activations of second moment q, with the mean 1 and E g^2 = fourth. */
function squaredDerivatives(activation, q, fourth) {
  const f = FUNCTIONS[activation], nodes = [];
  for (let i = 0; i < 30; i += 1) { // z from 6 e^-9 to 6
    const z = 6 * Math.exp((i - 29.5) * 0.3), share = z * 0.3 * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
    for (const s of [-z * Math.sqrt(q), z * Math.sqrt(q)]) {
      nodes.push({ g: ((f(s + 1e-3) - f(s - 1e-3)) / 2e-3) ** 2, share });
    }
  }
  const mean = (power) => nodes.reduce((sum, { g, share }) => sum + share * g ** power, 0);
  const scale = fourth * mean(1) / mean(2), active = 1 / (scale * mean(1)); // the rest of the units has g = 0
  const scaled = nodes.map(({ g, share }) => ({ g: scale * g, share: share * active }));
  return [...scaled, { g: 0, share: 1 - scaled.reduce((sum, { share }) => sum + share, 0) }];
}

/** Return E exp(-x (g - y) h^2)^n, of complex x, as [modulus, argument]. */
function transform(nodes, n, y, [real, imaginary]) {
  let sum = 0, turned = 0;
  for (const { g, share } of nodes) {
    const a = 1 + 2 * real * (g - y), b = 2 * imaginary * (g - y), r = Math.hypot(a, b);
    sum += share * Math.sqrt((r + a) / 2) / r;
    turned -= share * Math.sign(b) * Math.sqrt(Math.max(r - a, 0) / 2) / r;
  }
  return [Math.hypot(sum, turned) ** n, n * Math.atan2(turned, sum)];
}

/** Return the probability that the sum of g h^2 is at most n y, by Euler's sum (Abate & Whitt 1995). */
function sumBelow(nodes, n, y) {
  const t = n * y, A = 18.4, terms = 15, averaged = 11;
  let sum = 0, result = 0, binomial = 1;
  for (let k = 0; k <= terms + averaged; k += 1) {
    const x = [A / (2 * t), k * Math.PI / t], [modulus, argument] = transform(nodes, n, 0, x);
    const size = x[0] ** 2 + x[1] ** 2;
    const term = modulus * (Math.cos(argument) * x[0] + Math.sin(argument) * x[1]) / size;
    sum += (k ? (-1) ** k : 0.5) * term;
    if (k >= terms) {
      result += binomial * sum / 2 ** averaged;
      binomial *= (averaged - (k - terms)) / (k - terms + 1);
    }
  }
  return Math.exp(A / 2) / t * result;
}

/** Return the probability that sum g h^2 / sum h^2 is at most y (Gil-Pelaez 1951). */
function ratioBelow(nodes, n, y) {
  const variance = n * nodes.reduce((sum, { g, share }) => sum + 3 * share * (g - y) ** 2, 0);
  let sum = 0;
  for (let u = -8; u < 5; u += 0.1) {
    const [modulus, argument] = transform(nodes, n, y, [0, Math.exp(u) / Math.sqrt(variance)]);
    sum += 0.1 * modulus * Math.sin(-argument);
  }
  return 0.5 - sum / Math.PI;
}

const LAWS = new Map();

/** Return the masses of ln F of a layer; `kurtosis` is that of h, which counts below the outputs. */
function factorMasses(activation, q, { derivativeFourth }, width, kurtosis) {
  const key = [activation, Math.round(Math.log(q) * 200), width, kurtosis && kurtosis.toFixed(3)].join();
  if (!LAWS.has(key)) {
    const nodes = squaredDerivatives(activation, q, derivativeFourth);
    const below = (cell) => {
      const y = Math.exp(LOWEST + (cell + 0.5) * STEP);
      return kurtosis ? ratioBelow(nodes, 3 * width / kurtosis, y) : sumBelow(nodes, width, y);
    };
    const cumulative = Array(ORIGIN + 1).fill(0);
    for (let cell = ORIGIN; cell >= 0; cell -= 1) { // from F = 1 down, then up, as far as there is anything
      cumulative[cell] = Math.max(below(cell), 0);
      if (cumulative[cell] < NOTHING) break;
    }
    while (cumulative.at(-1) < 1 - NOTHING && cumulative.length < 1.5 * ORIGIN) {
      cumulative.push(Math.min(Math.max(below(cumulative.length), cumulative.at(-1)), 1));
    }
    const masses = cumulative.map((value, cell) => Math.max(value - (cell ? cumulative[cell - 1] : 0), 0));
    if (LAWS.size > 500) LAWS.clear();
    LAWS.set(key, masses);
  }
  return LAWS.get(key);
}

/** Return the law of a sum; both have the first cell at LOWEST. */
function convolved(a, b) {
  const sum = Array(Math.max(a.length + b.length - 1 - ORIGIN, 1)).fill(0);
  a.forEach((mass, i) => {
    if (mass > NOTHING / 100) b.forEach((other, j) => { sum[Math.max(i + j - ORIGIN, 0)] += mass * other; });
  });
  return sum;
}

/** Return the law of a sum, as quantiles at NORMAL, of a grid's masses and of a law with this mean. */
function lawWith(masses, law, mean) {
  const edges = [...Array(2 * ORIGIN).keys()].map((i) => LOWEST + (i + 0.5) * STEP);
  let last = 0;
  const own = edges.map((edge) => {
    const next = probabilityBelow(law, mean + edge), mass = next - last;
    last = next;
    return mass;
  });
  let total = 0, cell = 0;
  const cumulative = convolved(masses, own).map((mass) => { total += mass; return total; });
  return NORMAL.map((z) => {
    const probability = normalProbability(z) * total;
    while (cell < cumulative.length - 1 && cumulative[cell] < probability) cell += 1;
    const below = cell ? cumulative[cell - 1] : 0, share = (probability - below) / (cumulative[cell] - below || 1);
    return mean + LOWEST + (cell - 0.5 + Math.min(share, 1)) * STEP;
  });
}
