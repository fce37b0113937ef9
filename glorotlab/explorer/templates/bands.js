/* Bands of one network drawn once, to first order in 1 / width: glorotlab.theory.finite_width for one example.

   ln T of a second moment T gains a variance from the units of every hidden layer; its mean is shifted; the outputs are
   few, and are drawn. The names are those of recursions.py and fluctuations.py, whose proofs are in docs/theory. */

/** Relative difference of what two layers take from the outputs up to which they share their draws. */
const SAME = 1e-4;

/** Return variance, shift and excess of q on the way forward. */
function forwardScatter(net) {
  const { depth, width, units, forwardGain, weightVariance, initializer, inputMoment } = net;
  const variance = Array(depth + 1).fill(0), shift = Array(depth + 1).fill(0), excess = Array(depth + 1).fill(0);
  let fourth = 3 * inputMoment ** 2;
  for (let i = 0; i <= depth; i += 1) {
    excess[i] = initializer.kurtosis * weightVariance[i] ** 2 * width * fourth / 3;
    if (i === depth) break;
    const own = units[i], u = forwardGain[i + 1];
    variance[i + 1] = (u * own.squareFirst) ** 2 * variance[i] + u ** 2 * own.squareVariance / width;
    shift[i + 1] = u * (own.squareFirst * shift[i] + own.squareSecond * (variance[i] + excess[i]) / 2);
    fourth = own.squareVariance + own.square ** 2;
  }
  return { variance, shift, excess };
}

/** Return the first and second log derivative of E (dC/ds)^2 in q, and its shift at fixed q, on the way back. */
function backwardScatter(net, { excess }) {
  const { depth, width, units, forwardGain, q, output } = net;
  const first = Array(depth + 1).fill(0), second = Array(depth + 1).fill(0), fixed = Array(depth + 1).fill(0);
  first[depth] = output.logFirst;
  second[depth] = output.logSecond;
  let alignment = 0;
  for (let i = depth - 1; i >= 0; i -= 1) {
    const own = units[i], u = forwardGain[i + 1], { mu } = own;
    const above = first[i + 1], aboveSecond = second[i + 1], passed = mu * q[i + 1];
    let scatter = u * (own.covariance + mu * own.square) / passed * alignment;
    alignment = alignment * u * q[i] * own.squareFirst ** 2 / passed + 2 * q[i] * own.muFirst / mu;
    scatter += u * own.covariance / mu * above + u ** 2 * own.squareVariance * (aboveSecond + above ** 2) / 2;
    const kurtosis = excess[i] * (own.muSecond / mu + u * own.squareSecond * above) / 2;
    fixed[i] = fixed[i + 1] + scatter / width + kurtosis;
    first[i] = own.muFirst / mu + u * own.squareFirst * above;
    second[i] = own.muSecond / mu - (own.muFirst / mu) ** 2 + u * own.squareSecond * above
      + (u * own.squareFirst) ** 2 * aboveSecond;
  }
  return { first, second, fixed };
}

/** Draw the outputs, with d = dC/ds and their weights W = sqrt(v) w: for every draw (s . d) / q, and the parts of
    d'W'Wd / n v of which the draws have w, along the signal, and of which they do not, with its scatter. */
function outputDraws({ q, depth, width, biasVariance, initializer }) {
  const { classes, draws } = TABLES, logits = q[depth], count = draws.weights.length / classes;
  const own = Math.sqrt(logits - biasVariance), bias = Math.sqrt(biasVariance);
  const scatter = (concentration) => Math.sqrt(Math.max(1 + initializer.kurtosis * concentration / 2, 0));
  const met = Array(count), rest = Array(count), scatters = Array(count), along = Array(count), s = Array(classes);
  let concentration = 0, known = 0;
  for (let i = 0; i < count; i += 1) {
    let largest = -Infinity, total = 0, square = 0, fourth = 0, product = 0, signal = 0, others = 0;
    for (let k = 0; k < classes; k += 1) {
      s[k] = own * draws.weights[i * classes + k] + bias * draws.biases[i * classes + k];
      largest = Math.max(largest, s[k]);
    }
    for (let k = 0; k < classes; k += 1) total += Math.exp(s[k] - largest);
    for (let k = 0; k < classes; k += 1) {
      const delta = Math.exp(s[k] - largest) / total - (k === 0 ? 1 : 0); // the example is of class 0
      const x = draws.weights[i * classes + k], excess = (x ** 2 - 1) / width;
      const levelled = delta * Math.sqrt((1 + scatter(1) * excess) / (1 + excess)); // squares of weights scatter less
      square += delta ** 2;
      fourth += delta ** 4;
      product += s[k] * delta;
      signal += x * levelled;
      others += levelled ** 2;
    }
    met[i] = signal ** 2 / width;
    rest[i] = others * (width - 1) / width;
    along[i] = product / logits;
    scatters[i] = 1;
    if (square > SILENT) {
      scatters[i] = scatter(fourth / square ** 2);
      concentration += fourth / square ** 2;
      known += 1;
    }
  }
  return { met, rest, scatters, along, concentration: known ? concentration / known : 1 };
}

/** Return everything that bands of a network rest on. */
function scatterOf(net) {
  const { depth, units, forwardGain, backwardGain, output, q } = net, { classes } = TABLES;
  const forward = forwardScatter(net), backward = backwardScatter(net, forward), outputs = outputDraws(net);
  const independent = Array(depth + 1), meeting = Array(depth + 1); // p and r: a share of each, passed down
  independent[depth] = 1;
  meeting[depth] = 0;
  let coefficient = 1 / classes;
  for (let i = depth - 1; i >= 0; i -= 1) {
    const own = units[i], gain = backwardGain[i + 1] * own.mu;
    coefficient *= backwardGain[i + 1];
    const along = own.product - (i === depth - 1 ? own.mu * own.square : 0); // the draws have the rest
    independent[i] = gain * independent[i + 1];
    meeting[i] = gain * meeting[i + 1] + coefficient ** 2 * along;
    coefficient *= own.squareFirst;
  }
  /** The derivative of q of a layer in E f^2 of one below it. */
  const sensitivity = (below, layer) => {
    let product = forwardGain[below + 1];
    for (let i = below + 1; i < layer; i += 1) product *= units[i].squareFirst * forwardGain[i + 1];
    return product;
  };
  return { ...net, forward, backward, outputs, independent, meeting, sensitivity, output, q };
}

/** Return the mean and variance of ln of E z^2 or E s^2 of one layer, relative to its mean-field value. */
function signalLaw(net, layer, activated) {
  const { units, q, width, forward, sensitivity } = net, own = units[layer];
  const relative = activated ? own.squareFirst / own.square : 1 / q[layer];
  let total = activated ? Math.log1p(own.squareVariance / own.square ** 2 / width) : Math.log1p(2 / width);
  if (!activated && layer === net.depth) total = 0; // the outputs are drawn
  for (let k = 0; k < layer; k += 1) {
    total += Math.log1p((relative * sensitivity(k, layer)) ** 2 * units[k].squareVariance / width);
  }
  const bend = activated ? own.squareSecond * (forward.variance[layer] + forward.excess[layer]) / 2 / own.square : 0;
  const shift = relative * forward.shift[layer] + bend;
  return { mean: Math.log1p(shift) - total / 2, variance: total, narrow: total, saturated: 0 };
}

/** Return the kurtosis of what comes back to a layer below the outputs, and 0 of other layers, where it is normal. */
function kurtosisAt({ depth, initializer, outputs }, layer) {
  return layer === depth - 1 ? 3 + initializer.kurtosis * outputs.concentration : 0;
}

/** Return the relative variance of f'^2 h^2 of a layer's units; at the top the draws have that of h^2. */
function carriedBy(net, layer) {
  const kurtosis = kurtosisAt(net, layer), { derivativeFourth } = net.units[layer];
  return kurtosis ? kurtosis * (derivativeFourth - 1) : 3 * derivativeFourth - 1;
}

/** Return for every layer the masses of the product of all factors from it on that are of few units, if any. */
function fewUnits(net) {
  const { depth, width, q, units, activation } = net, products = Array(depth);
  for (let k = depth - 1; k >= 0; k -= 1) {
    products[k] = products[k + 1];
    if (carriedBy(net, k) / width > TABLES.fewUnits.logNormal) {
      const own = factorMasses(activation, q[k], units[k], width, kurtosisAt(net, k));
      products[k] = products[k] ? convolved(products[k], own) : own;
    }
  }
  return products;
}

/** Return mean and variance of ln of E (dC/ds)^2, or of E (dC/dW)^2, of one layer, but for draws and few units. */
function gradientLaw(net, layer, weight) {
  const { depth, width, units, q, biasVariance, forwardGain, initializer, forward, backward, outputs, sensitivity } = net;
  const signal = weight && layer ? q[layer] - biasVariance : 0, { logNormal, saturated: most } = TABLES.fewUnits;
  let variance = 0, narrow = 0, saturated = 0;
  const logNormally = (relative) => {
    variance += Math.log1p(relative);
    narrow += Math.log1p(relative);
  };
  for (let k = 0; k < layer; k += 1) {
    const derivative = backward.first[layer] + (signal ? 1 / signal : 0);
    logNormally((derivative * sensitivity(k, layer)) ** 2 * units[k].squareVariance / width);
  }
  for (let k = layer; k < depth; k += 1) {
    const own = units[k], answer = backward.first[k + 1] * forwardGain[k + 1];
    const below = answer ** 2 * own.squareVariance;
    const carried = carriedBy(net, k);
    if (carried / width > logNormal) { // few units carry the gradient: the law of their mean is not log-normal
      logNormally(below / width);
      saturated = Math.max(saturated, carried / width);
      if (carried / width <= most) narrow += Math.log1p(carried / width);
    } else {
      logNormally((below + 2 * answer * own.covariance / own.mu + carried) / width);
    }
  }
  const a = backward.first[layer];
  let shift = backward.fixed[layer] + a * forward.shift[layer]
    + (backward.second[layer] + a ** 2) * forward.variance[layer] / 2;
  if (signal) shift += (forward.shift[layer] + a * forward.variance[layer]) / signal;
  return { mean: Math.log1p(shift) - variance / 2, variance, narrow, saturated };
}

/** Return the draws of a gradient's T over its mean-field value, as bins for every hidden layer. */
function gradientDraws({ outputs, independent, meeting, gradient, width, q, depth }) {
  const { classes } = TABLES, variance = 2 / (9 * (width - 1)), deviation = Math.sqrt(variance), layers = Array(depth);
  const squares = outputs.scatters.map((scatter, i) => [...Array(STRATA).keys()].map((j) => (
    1 + scatter * ((1 - variance + deviation * stratum(i, j)) ** 3 - 1) // chi-squared (Wilson & Hilferty 1931)
  )));
  let last = { fresh: 0, along: 0 };
  for (let layer = depth - 1; layer >= 0; layer -= 1) {
    const p = independent[layer], r = meeting[layer];
    const fresh = (p - classes * r / q[depth]) / classes / gradient[layer], along = r / gradient[layer];
    if (Math.abs(fresh / last.fresh - 1) + Math.abs(along - last.along) / fresh < SAME) { // far from the outputs
      layers[layer] = layers[layer + 1];
      continue;
    }
    layers[layer] = binned(squares.flatMap((factors, i) => factors.map((factor) => (
      Math.max(fresh * (outputs.met[i] + outputs.rest[i] * factor) + along * outputs.along[i] ** 2, 0)
    ))));
    last = { fresh, along };
  }
  return layers;
}

/** Return bands {low, high} of the three curves, relative to them; Refusal where there are none. */
function bandsOf(propagated) {
  if (!propagated.initializer.independent) {
    throw new Refusal("its weights depend on each other, so that units of a layer do not scatter independently");
  }
  const net = scatterOf(propagated), layers = [...Array(net.depth).keys()], tail = (1 - TABLES.level) / 2;
  const laws = {
    signal: layers.map((i) => signalLaw(net, i, true)),
    gradient: layers.map((i) => gradientLaw(net, i, false)),
    weight_gradient: layers.map((i) => gradientLaw(net, i, true)),
  };
  const others = [signalLaw(net, net.depth, false), gradientLaw(net, net.depth, true)];
  const all = [...Object.values(laws).flat(), ...others];
  const narrow = Math.max(...all.map((each) => each.narrow)), few = Math.max(...all.map((each) => each.saturated));
  if (few > TABLES.fewUnits.most) {
    throw new Refusal(`so few units carry a gradient that one layer gives it relative variance ${few.toPrecision(2)} `
      + `between networks, allowed is ${TABLES.fewUnits.most}`);
  }
  if (!(narrow <= TABLES.mostVariance)) {
    throw new Refusal(`layers are too narrow: ln of a second moment has variance ${narrow.toPrecision(2)} between `
      + `networks, allowed is ${TABLES.mostVariance}`);
  }
  const certain = { logarithms: [0], shares: [1] };
  const draws = gradientDraws(net), factors = fewUnits(net);
  const ends = (name) => laws[name].map((each, i) => {
    const rest = lawOf(each), of = name === "signal" ? certain : draws[i];
    const law = name !== "signal" && factors[i] ? lawWith(factors[i], rest, each.mean) : rest;
    return [quantile(of, law, tail), quantile(of, law, 1 - tail)];
  });
  return Object.fromEntries(Object.keys(laws).map((name) => {
    const pairs = ends(name);
    return [name, { low: pairs.map((pair) => pair[0]), high: pairs.map((pair) => pair[1]) }];
  }));
}
