/* Whether the network will train, and why: glorotlab.theory.advice for the batch that stands in for data.

   All examples have one second moment, and three correlations: with itself, with the others of its class, with the rest.
   A kernel is therefore three numbers; the second and third are kept as what they lack to the first. */

/** Return the three correlations' gaps through the network, and the tangent kernel [own, gap within, gap between]. */
function tangentKernel(net) {
  const { depth, width, q, units, below, forwardGain } = net, { alike } = TABLES.verdict;
  const { pairs } = TABLES.activations[net.activation];
  let unlike = alike.map((correlation) => 1 - correlation); // of what enters a layer, relative to its second moment
  const entering = [], carried = [];
  for (let i = 0; i <= depth; i += 1) {
    entering.push(unlike.map((gap) => gap * below[i]));
    if (i === depth) break;
    const place = Math.log(q[i]), s = unlike.map((gap) => Math.log(Math.min(forwardGain[i] * gap * below[i] / q[i], 1)));
    carried.push(s.map((gap) => Math.min(Math.exp(pairs.derivative_square(place, gap)), 1)));
    unlike = s.map((gap) => Math.min(Math.exp(pairs.square(place, gap)), 1));
  }
  let own = width * below[depth] + 1, back = 1;
  const gaps = entering[depth].map((gap) => width * gap);
  const rest = [1, 1], lost = [0, 0]; // back of pairs over back of one example, and 1 less that
  for (let i = depth - 1; i >= 0; i -= 1) {
    back *= forwardGain[i + 1] * units[i].mu;
    const single = width * below[i] + 1;
    own += back * single;
    for (const pair of [0, 1]) {
      lost[pair] += rest[pair] * carried[i][pair];
      rest[pair] *= 1 - carried[i][pair];
      gaps[pair] += back * (lost[pair] * single + rest[pair] * width * entering[i][pair]);
    }
  }
  return [own, ...gaps];
}

/** Return how a kernel acts: its largest eigenvalue and that along the classes, over the examples, and more. */
function kernelNumbers([own, within, between]) {
  const { classes } = TABLES, size = TABLES.verdict.classSize, examples = classes * size;
  const same = size - 1, other = examples - size;
  const mean = (same * within + other * between) / (examples - 1); // gap of the average pair
  const spread = Math.sqrt(same * other) / (examples - 1) * Math.abs(between - within);
  return {
    own,
    largest: own - (same * within + other * between) / examples,
    along: (size * between - same * within) / examples,
    coherence: mean > 0 ? spread / mean : 0,
    apart: mean,
  };
}

/** Return the largest relative variances between networks of the signal and of the gradient, as validity.py has them. */
function fluctuations({ units, q, width, forwardGain, depth }) {
  let forward = 0, largest = 0, backward = 0;
  for (let i = 0; i < depth; i += 1) {
    const exponent = units[i].squareFirst * q[i] / units[i].square;
    const carried = i ? (exponent * forwardGain[i] * units[i - 1].square / q[i]) ** 2 * forward : 0;
    forward = units[i].squareVariance / units[i].square ** 2 / width + carried;
    largest = Math.max(largest, forward);
    backward += (3 * units[i].derivativeFourth - 1) / width;
  }
  return [largest, backward];
}

/** Return the numbers that a verdict rests on. */
function numbersOf(net) {
  const { depth, units, backwardGain, q, output } = net, { batch } = TABLES.verdict;
  const kernel = kernelNumbers(tangentKernel(net)), inputs = kernelNumbers([1, ...TABLES.verdict.alike.map((c) => 1 - c)]);
  const [fluctuation, gradientFluctuation] = fluctuations(net);
  let gradientRatio = 1;
  for (let i = 0; i < depth - 1; i += 1) gradientRatio *= backwardGain[i + 1] * units[i].mu;
  const fastest = kernel.largest;
  const known = kernel.along > 100 * Number.EPSILON * fastest;
  return {
    signal_ratio: units[depth - 1].square / units[0].square,
    gradient_ratio: gradientRatio,
    condition: known ? fastest / kernel.along : Infinity,
    coherence: kernel.coherence,
    learning_rate: 2 * TABLES.classes / fastest,
    logit_second_moment: q[depth],
    fluctuation,
    gradient_fluctuation: gradientFluctuation,
    updates: known ? kernel.own / kernel.along : Infinity,
    separation: inputs.apart > 0 ? Math.max(inputs.along, 0) / inputs.apart : 0,
    curvature: output.curvature * (fastest + (kernel.own - fastest) / batch),
  };
}

/** Return what each predictor adds to the log odds, the heaviest first. */
function termsOf(numbers) {
  const { coefficients, farthest, least, most } = TABLES.verdict;
  const values = {
    updates: numbers.updates,
    fluctuation: numbers.fluctuation + numbers.gradient_fluctuation,
    coherence: Math.min(numbers.coherence, 1),
    separation: numbers.separation,
  };
  return Object.entries(coefficients).map(([name, { mean, deviation, log_odds: slope }]) => {
    const value = Math.min(Math.max(values[name], least), most);
    const deviations = (Math.log10(value) - mean) / deviation;
    return { name, value, logOdds: Math.min(Math.max(deviations, -farthest), farthest) * slope };
  }).sort((a, b) => Math.abs(b.logOdds) - Math.abs(a.logOdds));
}

/** Return a number as Python's format of so many significant digits in powers of ten has it, such as 1.2e+03. */
function exponential(value, digits = 1) {
  if (!Number.isFinite(value)) return "inf";
  const [mantissa, power] = value.toExponential(digits).split("e");
  return `${mantissa}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

/** Return a number as Python's format .2g has it. */
function general(value) {
  const power = Math.floor(Math.log10(Number(value.toPrecision(2))));
  return power >= -4 && power < 2 ? String(Number(value.toPrecision(2)))
    : exponential(value).replace(/\.0e/, "e");
}

/** Return whether the network should train, the probability of it, and why, in the words of gl.advise. */
function judge(net) {
  const numbers = numbersOf(net), terms = termsOf(numbers), { verdict } = TABLES;
  const logOdds = terms.reduce((sum, term) => sum + term.logOdds, verdict.intercept);
  const beyond = numbers.logit_second_moment > verdict.largestOutputs;
  const probability = beyond ? verdict.refused : 1 / (1 + Math.exp(-logOdds));
  const exceeded = verdict.bounds.find(([name, low, high]) => !(numbers[name] >= low && numbers[name] <= (high ?? Infinity)));
  const fault = exceeded ? `${exceeded[3]} ${exponential(numbers[exceeded[0]])}` : "";
  const speed = `${numbers.condition > verdict.slow ? "slow: " : ""}condition ${general(numbers.condition)}`;
  const least = terms.reduce((a, b) => (b.logOdds < a.logOdds ? b : a));
  const trains = probability >= 0.5;
  const reason = trains ? [speed, fault].filter(Boolean).join("; but ")
    : fault || `unlikely: ${least.name} ${exponential(least.value)}`;
  const { rate } = verdict;
  const learningRate = rate.constant * Math.max(numbers.curvature, verdict.leastCurvature) ** rate.curvature
    * net.depth ** rate.depth * Math.max(numbers.gradient_ratio, 1) ** rate.growth;
  return { trains, probability, reason, terms, numbers, learningRate };
}

/** Return the verdict of a setting for which the theory has no numbers. */
function refusedVerdict(refusal) {
  const reason = refusal.message.split(":")[0];
  return { trains: false, probability: TABLES.verdict.refused, reason, terms: [], numbers: null, learningRate: null };
}

/** Return a number of a few digits as a reader wants it. */
function shortly(value, digits = 3) {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return "infinity";
  const rounded = Number(value.toPrecision(digits)), size = Math.abs(rounded);
  return size >= 1e-3 && size < 10 ** Math.max(digits, 4) ? String(rounded) : rounded.toExponential().replace("e+", "e");
}
