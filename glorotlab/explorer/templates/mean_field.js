/* The mean-field recursion of one example, forward and back: glorotlab.theory.mean_field at width n.

   The network is n inputs, `depth` hidden layers of n units, and the classes of a softmax. Layers are counted from 0;
   the last index is that of the output layer. */

/** What the theory refuses; its message says why. */
class Refusal extends Error {}

/** Return the moments of units at pre-activations of second moment q, and their derivatives in q. */
function unitMoments(activation, q) {
  const place = placeOf(TABLES.axis, Math.log(q));
  const at = {};
  TABLES.rows.forEach((name, i) => {
    at[name] = valueAt(activation.moments[i], activation.slopes[i], place, i < TABLES.logarithms);
  });
  const square = q * Math.exp(at.square), mu = Math.exp(at.derivative_square);
  return {
    square,
    squareFirst: square * at.square_slope / q,
    squareSecond: square * at.square_curvature / q ** 2,
    squareVariance: Math.expm1(at.fourth) * square ** 2,
    mu,
    muFirst: mu * at.derivative_square_slope / q,
    muSecond: mu * at.derivative_square_curvature / q ** 2,
    covariance: Math.expm1(at.product_square) * mu * square,
    product: Math.exp(at.product_square) * mu * square,
    fourth: Math.exp(at.fourth),
    derivativeFourth: Math.exp(at.derivative_fourth),
  };
}

/** Return what the output layer does at logits of second moment q: E (dC/ds)^2, its log derivatives, E d^2C/ds^2. */
function outputMoments(q) {
  const place = placeOf(TABLES.outputAxis, Math.log(q)), { output } = TABLES, at = {};
  for (const name of Object.keys(output)) {
    at[name] = valueAt(output[name].row, output[name].slopes, place, !["slope", "curvature"].includes(name));
  }
  return {
    square: Math.exp(at.square),
    logFirst: at.slope / q,
    logSecond: (at.curvature - at.slope) / q ** 2,
    answer: Math.exp(at.answer),
    curvature: Math.exp(at.gauss_newton),
  };
}

function variance({ scale, mode }, fanIn, fanOut) {
  const fans = { fan_in: fanIn, fan_out: fanOut, fan_avg: (fanIn + fanOut) / 2, fan_max: Math.max(fanIn, fanOut), none: 1 };
  return scale / fans[mode];
}

function checkRange(value, what, tensor, layer) {
  const [smallest, largest] = TABLES.range;
  if (value >= smallest && value <= largest) return;
  throw new Refusal(`the ${what} ${value < smallest ? "vanishes" : "explodes"} in layer ${layer + 1}: second moment `
    + `${value.toPrecision(3)} of the ${tensor}, allowed are ${smallest} to ${largest}`);
}

/** Follow one example through the network of a setting.

    A setting has activation (a name), depth, width, initializer {scale, mode, kurtosis, independent}, biasVariance and
    inputMoment. Of the result, q and gradient have a number for every layer, units for every hidden one. */
function propagate(setting) {
  const { depth, width, initializer, biasVariance, inputMoment } = setting;
  const activation = TABLES.activations[setting.activation];
  const sizes = [...Array(depth + 1).fill(width), TABLES.classes];
  const weightVariance = sizes.slice(1).map((fanOut, i) => variance(initializer, sizes[i], fanOut));
  const q = [], units = [], below = [inputMoment];
  for (let i = 0; i <= depth; i += 1) {
    q.push(sizes[i] * weightVariance[i] * below[i] + biasVariance);
    checkRange(q[i], "signal", "pre-activation", i);
    if (i < depth) {
      units.push(unitMoments(activation, q[i]));
      below.push(units[i].square);
    }
  }
  const forwardGain = weightVariance.map((v, i) => sizes[i] * v);
  const backwardGain = weightVariance.map((v, i) => sizes[i + 1] * v);
  const output = outputMoments(q[depth]);
  const gradient = Array(depth + 1);
  gradient[depth] = output.square;
  let curvature = output.answer;
  for (let i = depth - 1; i >= 0; i -= 1) { // gradients that meet their own weights are the second term
    curvature *= backwardGain[i + 1];
    gradient[i] = backwardGain[i + 1] * units[i].mu * gradient[i + 1] + curvature ** 2 * units[i].product;
    checkRange(gradient[i], "gradient", "back-propagated gradient", i);
    curvature *= units[i].squareFirst;
  }
  return { ...setting, q, units, below, weightVariance, forwardGain, backwardGain, output, gradient };
}

/** Return the curves over the hidden layers: E z^2, E (dC/ds)^2 and E (dC/dW)^2. */
function curvesOf({ depth, units, below, gradient }) {
  const layers = [...Array(depth).keys()];
  return {
    signal: layers.map((i) => units[i].square),
    gradient: layers.map((i) => gradient[i]),
    weight_gradient: layers.map((i) => below[i] * gradient[i]),
  };
}
