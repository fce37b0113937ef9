/* Bands of one network drawn once, to first order in 1 / width: glorotlab.theory.finite_width for one example.

   ln T of a second moment T gains a variance from the units of every hidden layer; its mean is shifted; the outputs are
   few, and are drawn. The names are those of recursions.py and fluctuations.py, whose proofs are in docs/theory. */

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

/** Draw the outputs: for every draw |dC/ds|^2, (s . dC/ds) / q, and the share of one output in |dC/ds|^2. */
function outputDraws({ q, depth, biasVariance }) {
  const { classes, draws } = TABLES, logits = q[depth], count = draws.weights.length / classes;
  const own = Math.sqrt(logits - biasVariance), bias = Math.sqrt(biasVariance);
  const squares = Array(count), along = Array(count), s = Array(classes);
  let concentration = 0, known = 0;
  for (let i = 0; i < count; i += 1) {
    let largest = -Infinity, total = 0, square = 0, product = 0, fourth = 0;
    for (let k = 0; k < classes; k += 1) {
      s[k] = own * draws.weights[i * classes + k] + bias * draws.biases[i * classes + k];
      largest = Math.max(largest, s[k]);
    }
    for (let k = 0; k < classes; k += 1) total += Math.exp(s[k] - largest);
    for (let k = 0; k < classes; k += 1) {
      const delta = Math.exp(s[k] - largest) / total - (k === 0 ? 1 : 0); // the example is of class 0
      square += delta ** 2;
      fourth += delta ** 4;
      product += s[k] * delta;
    }
    squares[i] = square;
    along[i] = product / logits;
    if (square > SILENT) { concentration += fourth / square ** 2; known += 1; }
  }
  return { squares, along, concentration: known ? concentration / known : 1 };
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

/** Return the cumulants of ln of E z^2 or E s^2 of one layer, relative to its mean-field value. */
function signalCumulants(net, layer, activated) {
  const { units, q, width, forward, sensitivity } = net, own = units[layer];
  const relative = activated ? own.squareFirst / own.square : 1 / q[layer];
  let total = activated ? Math.log1p(own.squareVariance / own.square ** 2 / width) : Math.log1p(2 / width);
  if (!activated && layer === net.depth) total = 0; // the outputs are drawn
  for (let k = 0; k < layer; k += 1) {
    total += Math.log1p((relative * sensitivity(k, layer)) ** 2 * units[k].squareVariance / width);
  }
  const bend = activated ? own.squareSecond * (forward.variance[layer] + forward.excess[layer]) / 2 / own.square : 0;
  const shift = relative * forward.shift[layer] + bend;
  return { cumulants: [Math.log1p(shift) - total / 2, total, 0, 0], narrow: total, saturated: 0 };
}

/** Return the cumulants of ln of E (dC/ds)^2, or of E (dC/dW)^2, of one layer, but for the draws of the outputs. */
function gradientCumulants(net, layer, weight) {
  const { depth, width, units, q, biasVariance, forwardGain, initializer, forward, backward, outputs, sensitivity } = net;
  const signal = weight && layer ? q[layer] - biasVariance : 0, { logNormal, saturated: most } = TABLES.fewUnits;
  const cumulants = [0, 0, 0, 0];
  let narrow = 0, saturated = 0;
  const gain = (values) => values.forEach((value, i) => { cumulants[i] += value; });
  const logNormally = (relative) => {
    const added = Math.log1p(relative);
    gain([-added / 2, added, 0, 0]);
    narrow += added;
  };
  for (let k = 0; k < layer; k += 1) {
    const derivative = backward.first[layer] + (signal ? 1 / signal : 0);
    logNormally((derivative * sensitivity(k, layer)) ** 2 * units[k].squareVariance / width);
  }
  for (let k = layer; k < depth; k += 1) {
    const own = units[k], top = k === depth - 1, answer = backward.first[k + 1] * forwardGain[k + 1];
    const below = answer ** 2 * own.squareVariance, g4 = own.derivativeFourth, g6 = own.derivativeSixth;
    // at the top the draws have what comes back, and h is a sum over few outputs
    const kurtosis = top ? 3 + initializer.kurtosis * outputs.concentration : 3;
    const carried = top ? kurtosis * (g4 - 1) : 3 * g4 - 1;
    if (carried / width > logNormal) { // few units carry the gradient: the law of their mean is not log-normal
      const third = top ? 15 * (g6 - 3 * g4 + 2) : 15 * g6 - 9 * g4 + 2;
      gain(logCumulants(carried / width, third / width ** 2));
      logNormally(below / width);
      saturated = Math.max(saturated, carried / width);
      if (carried / width <= most) narrow += Math.log1p(carried / width);
    } else {
      logNormally((below + 2 * answer * own.covariance / own.mu + carried) / width);
    }
  }
  if (layer < depth) { // w'w of the outputs' weights scatters
    const own = (2 + initializer.kurtosis * outputs.concentration) / width;
    gain([-own / 2, own, 0, 0]);
  }
  const a = backward.first[layer];
  let shift = backward.fixed[layer] + a * forward.shift[layer]
    + (backward.second[layer] + a ** 2) * forward.variance[layer] / 2;
  if (signal) shift += (forward.shift[layer] + a * forward.variance[layer]) / signal;
  gain([Math.log1p(shift), 0, 0, 0]);
  return { cumulants, narrow, saturated };
}

/** Return the draws of a gradient's T over its mean-field value, as bins. */
function gradientDraws({ outputs, independent, meeting, gradient, q, depth }, layer) {
  const { classes } = TABLES, p = independent[layer], r = meeting[layer];
  const fresh = (p - classes * r / q[depth]) / classes / gradient[layer], met = r / gradient[layer];
  return binned(outputs.squares.map((square, i) => Math.max(fresh * square + met * outputs.along[i] ** 2, 0)));
}

/** Return bands {low, high} of the three curves, relative to them; Refusal where there are none. */
function bandsOf(propagated) {
  if (!propagated.initializer.independent) {
    throw new Refusal("its weights depend on each other, so that units of a layer do not scatter independently");
  }
  const net = scatterOf(propagated), layers = [...Array(net.depth).keys()], tail = (1 - TABLES.level) / 2;
  const cumulants = {
    signal: layers.map((i) => signalCumulants(net, i, true)),
    gradient: layers.map((i) => gradientCumulants(net, i, false)),
    weight_gradient: layers.map((i) => gradientCumulants(net, i, true)),
  };
  const others = [signalCumulants(net, net.depth, false), gradientCumulants(net, net.depth, true)];
  const all = [...Object.values(cumulants).flat(), ...others];
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
  const draws = layers.map((i) => gradientDraws(net, i));
  const ends = (name) => cumulants[name].map((each, i) => {
    const law = lawOf(each.cumulants), of = name === "signal" ? certain : draws[i];
    return [quantile(of, law, tail), quantile(of, law, 1 - tail)];
  });
  return Object.fromEntries(Object.keys(cumulants).map((name) => {
    const pairs = ends(name);
    return [name, { low: pairs.map((pair) => pair[0]), high: pairs.map((pair) => pair[1]) }];
  }));
}
