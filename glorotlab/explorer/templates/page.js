/* The page: controls to a setting, a setting to pictures, words and tables. */

const CURVES = [
  ["signal", "E z²", "Signal"],
  ["gradient", "E (∂C/∂s)²", "Gradient"],
  ["weight_gradient", "E (∂C/∂W)²", "Weight gradient"],
];

const byId = (id) => document.getElementById(id);

/** Return the setting of the controls. */
function settingOf() {
  const name = byId("initializer").value, own = name === "gain", gain = Number(byId("gain").value);
  return {
    activation: byId("activation").value,
    depth: Number(byId("depth").value),
    width: Math.round(2 ** Number(byId("width").value)),
    initializer: own ? { ...TABLES.own, scale: gain ** 2 } : TABLES.initializers[name],
    initializerName: own ? `variance_scaling(scale=${Number((gain ** 2).toPrecision(6))})` : name,
    biasVariance: Number(byId("bias").value),
    inputMoment: Number((10 ** Number(byId("moment").value)).toPrecision(4)),
  };
}

/** Write what every slider stands for beside it, and tell it to screen readers. */
function describeControls(setting) {
  const words = {
    depth: `${setting.depth} hidden layer${setting.depth > 1 ? "s" : ""}`,
    width: `${setting.width} units`,
    gain: Number(byId("gain").value).toFixed(2),
    bias: setting.biasVariance.toFixed(2),
    moment: String(setting.inputMoment),
    layer: `layer ${byId("layer").value}`,
  };
  for (const [id, text] of Object.entries(words)) {
    byId(`${id}-value`).textContent = text;
    byId(id).setAttribute("aria-valuetext", text);
  }
  byId("gain").disabled = byId("initializer").value !== "gain";
}

/** Return the curves and bands of a setting, or the reasons why there are none. */
function explore(setting) {
  const result = { setting, curves: null, bands: null, refusal: null, noBands: null };
  try {
    result.net = propagate(setting);
    result.curves = curvesOf(result.net);
    result.verdict = judge(result.net);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    result.refusal = error;
    result.verdict = refusedVerdict(error);
    return result;
  }
  try {
    result.bands = bandsOf(result.net);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    result.noBands = error;
  }
  return result;
}

function showVerdict({ setting, verdict }) {
  const { trains, probability, reason, terms, learningRate } = verdict;
  const percent = Math.round(100 * probability);
  const shown = percent < 1 ? "<1 %" : percent > 99 ? ">99 %" : `${percent} %`;
  byId("verdict").textContent = `With ${setting.initializerName} it should ${trains ? "train" : "fail"} (${reason}). `
    + `Probability that it trains: ${shown}.${learningRate ? ` Learning rate to begin with: ${Number(learningRate.toPrecision(1))}.` : ""}`;
  byId("verdict").className = trains ? "trains" : "fails";
  byId("terms").replaceChildren(...terms.map(({ name, value, logOdds }) => row([
    TABLES.words[name], shortly(value, 2), `${logOdds < 0 ? "−" : "+"}${Math.abs(logOdds).toFixed(1)}`,
  ])));
}

function row(cells) {
  const line = document.createElement("tr");
  cells.forEach((text, i) => {
    const cell = document.createElement(i ? "td" : "th");
    if (!i) cell.scope = "row";
    cell.textContent = text;
    line.append(cell);
  });
  return line;
}

function showCurves({ curves, bands, refusal, noBands }) {
  const message = refusal ? `No curves: ${refusal.message}.` : noBands ? `No bands: ${noBands.message}.` : "";
  byId("refusal").textContent = message;
  byId("curves").hidden = Boolean(refusal);
  byId("numbers").replaceChildren();
  if (!curves) return;
  for (const [name, symbol, title] of CURVES) {
    const values = curves[name], svg = byId(name);
    drawCurve(svg, values, bands && bands[name], symbol);
    svg.setAttribute("aria-label", `${title} ${symbol}: ${shortly(values[0])} in layer 1, `
      + `${shortly(values[values.length - 1])} in layer ${values.length}.`);
  }
  const cell = (name, i) => shortly(curves[name][i])
    + (bands ? ` (${shortly(curves[name][i] * bands[name].low[i], 2)} to ${shortly(curves[name][i] * bands[name].high[i], 2)})` : "");
  byId("numbers").replaceChildren(...curves.signal.map((_, i) => row([String(i + 1), ...CURVES.map(([name]) => cell(name, i))])));
}

/** Return where signals go whose second moment ends at q. */
function whereTo(q) {
  const [smallest, largest] = TABLES.range;
  if (q > largest / 1e9) return "grow without bound";
  return q < smallest * 1e9 ? "vanish" : `move to q = ${shortly(q)}`;
}

let shaded = ""; // the phase plane takes longest, and changes least

function showPhase({ setting }) {
  const activation = TABLES.activations[setting.activation], { width, biasVariance } = setting;
  const point = { x: width * variance(setting.initializer, width, width), y: biasVariance };
  const start = point.x * setting.inputMoment + biasVariance;
  const { q, factor } = settle(activation, point.x, point.y, start, 5000);
  const key = JSON.stringify([setting.activation, point, start]);
  if (key !== shaded) drawPhases(byId("phase"), activation, point, start);
  shaded = key;
  const words = `σ_w² = ${shortly(point.x)}, σ_b² = ${shortly(point.y)}: ${phaseOf(factor)}. Signals ${whereTo(q)}, `
    + `where squared gradients change by χ₁ = ${shortly(factor, 4)} a layer.`;
  byId("phase-words").textContent = words;
  byId("phase").setAttribute("aria-label", `Phase diagram of ${setting.activation}. ${words}`);
}

function showHistogram({ setting, net }) {
  byId("histogram-part").hidden = !net;
  if (!net) return;
  const layer = Number(byId("layer").value) - 1, deviation = Math.sqrt(net.q[layer]), f = FUNCTIONS[setting.activation];
  const { bound } = TABLES.activations[setting.activation];
  const values = NORMAL_QUANTILES.map((t) => f(deviation * t)).filter(Number.isFinite);
  const range = bound ? [-bound, bound] : [Math.min(...values), Math.max(...values)];
  drawBars(byId("histogram"), values, range, `z of layer ${layer + 1}`);
  const far = bound ? values.filter((value) => Math.abs(value) > 0.99 * bound).length / values.length : null;
  const words = `Mean square ${shortly(net.units[layer].square)}`
    + (far === null ? "." : `; ${(100 * far).toFixed(0)} % of the units beyond 0.99 of the bound ${shortly(bound)}.`);
  byId("histogram-words").textContent = words;
  byId("histogram").setAttribute("aria-label", `Density of activations in layer ${layer + 1}. ${words}`);
}

function showCommand({ setting }) {
  const bias = setting.biasVariance ? ` --bias "normal(std=${Number(Math.sqrt(setting.biasVariance).toPrecision(8))})"` : "";
  const { width, depth } = setting;
  byId("command").textContent = `glorotlab predict ${width},${width}x${depth},${TABLES.classes} -a ${setting.activation} `
    + `-i "${setting.initializerName}"${bias} --input-moment ${setting.inputMoment}`;
}

function update() {
  const depth = byId("depth").value;
  byId("layer").max = depth;
  const setting = settingOf();
  describeControls(setting);
  const result = explore(setting);
  showVerdict(result);
  showCurves(result);
  showPhase(result);
  showHistogram(result);
  showCommand(result);
}

let waiting = false;

/** Update the page with the next frame, once however much has changed. */
function updateSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; update(); });
}

document.addEventListener("input", (event) => {
  if (event.target.id === "initializer" && event.target.value !== "gain") {
    byId("bias").value = TABLES.initializers[event.target.value].bias; // the one that goes with it
  }
  updateSoon();
});

window.addEventListener("resize", () => { shaded = ""; updateSoon(); });

update();
