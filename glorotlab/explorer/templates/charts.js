/* Pictures as SVG: axes, curves with bands, bars and the phase plane. Colours are those of the style sheet. */

/** Size and margins of the picture that is drawn, in pixels: as wide as its place, so that letters keep their size. */
const BOX = { width: 360, height: 250, left: 58, right: 10, top: 10, bottom: 40 };

/** Make an SVG element with attributes, and add it to a parent. */
function draw(parent, name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

/** Return a scale from numbers to places; logarithmic where `log` is set. */
function scaleOf([low, high], [from, to], log) {
  const of = log ? Math.log10 : (value) => value, a = of(low), b = of(high);
  return (value) => from + (of(value) - a) / (b - a || 1) * (to - from);
}

/** Return round numbers between two, about five of them; of a logarithmic scale powers of ten, or 1, 2 and 5 of them. */
function ticksOf([low, high], log) {
  const decades = Math.log10(high / low);
  if (log && decades > 0.7) {
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
    const step = Math.max(1, Math.round(decades / 5)), digits = decades < 2 ? [1, 2, 5] : [1];
    const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i).filter((power) => power % step === 0);
    return powers.flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)))
      .filter((tick) => tick >= low && tick <= high);
  }
  const rough = (high - low) / 5, size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 5, 10].find((factor) => factor * size >= rough);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Empty a picture, fit it to its place, draw its axes and return the scales {x, y}. */
function axes(svg, { x, y, xLabel, yLabel, log = false, whole = false }) {
  svg.replaceChildren();
  BOX.width = Math.max(svg.clientWidth, 240);
  BOX.height = Math.round(Math.min(Math.max(0.68 * BOX.width, 210), 300));
  svg.setAttribute("viewBox", `0 0 ${BOX.width} ${BOX.height}`);
  const right = BOX.width - BOX.right, bottom = BOX.height - BOX.bottom;
  const scales = { x: scaleOf(x, [BOX.left, right]), y: scaleOf(y, [bottom, BOX.top], log) };
  for (const tick of ticksOf(x).filter((value) => !whole || Number.isInteger(value))) {
    draw(svg, "line", { class: "grid", x1: scales.x(tick), x2: scales.x(tick), y1: BOX.top, y2: bottom });
    draw(svg, "text", { x: scales.x(tick), y: bottom + 15, "text-anchor": "middle" }, label(tick));
  }
  for (const tick of ticksOf(y, log)) {
    draw(svg, "line", { class: "grid", x1: BOX.left, x2: right, y1: scales.y(tick), y2: scales.y(tick) });
    draw(svg, "text", { x: BOX.left - 5, y: scales.y(tick) + 4, "text-anchor": "end" }, label(tick));
  }
  draw(svg, "text", { x: (BOX.left + right) / 2, y: BOX.height - 5, "text-anchor": "middle" }, xLabel);
  if (yLabel) {
    const middle = (BOX.top + bottom) / 2;
    draw(svg, "text", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(11 ${middle}) rotate(-90)` }, yLabel);
  }
  return scales;
}

/** Return a tick's number: a power of ten from 10,000 on and below 0.001. */
function label(value) {
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e4)) return String(Number(value.toPrecision(4)));
  return value.toExponential().replace("e+", "e");
}

function pathOf(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

/** Draw one curve over the layers on a logarithmic axis, with its band {low, high} relative to it where there is one. */
function drawCurve(svg, values, band, yLabel) {
  const low = band ? values.map((value, i) => value * band.low[i]) : values;
  const high = band ? values.map((value, i) => value * band.high[i]) : values;
  const floor = Math.min(...values) / 100; // a band may reach down to 0
  const range = [Math.max(Math.min(...low), floor) / 1.3, Math.max(...high) * 1.3];
  const x = values.length > 1 ? [1, values.length] : [0.5, 1.5];
  const scales = axes(svg, { x, y: range, xLabel: "hidden layer", yLabel, log: true, whole: true });
  const at = (numbers) => numbers.map((value, i) => [scales.x(i + 1), scales.y(Math.max(value, range[0]))]);
  if (band) draw(svg, "path", { class: "band", d: `${pathOf(at(low).concat(at(high).reverse()))}Z` });
  draw(svg, "path", { class: "curve", d: pathOf(at(values)) });
  if (values.length <= 40) at(values).forEach(([cx, cy]) => draw(svg, "circle", { class: "dot", cx, cy, r: 2.4 }));
}

/** Draw the density of values as bars between two numbers. */
function drawBars(svg, values, [low, high], xLabel) {
  const bins = 48, width = (high - low) / bins, counts = Array(bins).fill(0);
  for (const value of values) {
    if (value >= low && value <= high) counts[Math.min(Math.floor((value - low) / width), bins - 1)] += 1;
  }
  const densities = counts.map((count) => count / values.length / width), top = Math.max(...densities);
  const scales = axes(svg, { x: [low, high], y: [0, top * 1.05], xLabel, yLabel: "density" });
  densities.forEach((density, i) => draw(svg, "rect", {
    class: "bar",
    x: scales.x(low + i * width) + 0.4,
    y: scales.y(density),
    width: Math.max(scales.x(low + width) - scales.x(low) - 0.8, 0.5),
    height: scales.y(0) - scales.y(density),
  }));
}

/** Draw the phase plane: shades of ln chi_1, the critical line, and the point of the setting. */
function drawPhases(svg, activation, point, start) {
  const x = [0, Math.max(4, 1.25 * point.x)], y = [0, Math.max(1, 1.25 * point.y)];
  const columns = 40, rows = 24;
  const scales = axes(svg, { x, y, xLabel: "σ_w² = n Var[W]", yLabel: "σ_b²" });
  const cells = draw(svg, "g", { "shape-rendering": "crispEdges" });
  for (let i = 0; i < columns; i += 1) {
    for (let j = 0; j < rows; j += 1) {
      const w = x[1] * (i + 0.5) / columns, b = y[1] * (j + 0.5) / rows;
      const strength = Math.log(settle(activation, w, b, start, 150).factor);
      draw(cells, "rect", {
        class: strength < 0 ? "ordered" : "chaotic",
        "fill-opacity": Math.min(0.1 + Math.abs(strength) / 2, 0.6).toFixed(2),
        x: scales.x(w - x[1] / columns / 2).toFixed(2),
        y: scales.y(b + y[1] / rows / 2).toFixed(2),
        width: ((BOX.width - BOX.left - BOX.right) / columns).toFixed(2),
        height: ((BOX.height - BOX.top - BOX.bottom) / rows).toFixed(2),
      });
    }
  }
  let piece = [];
  const finish = (stable) => {
    if (piece.length > 1) draw(svg, "path", { class: stable ? "critical" : "critical unstable", d: pathOf(piece) });
    piece = [];
  };
  let before = null;
  for (const place of criticalLine(activation)) {
    const inside = place && place.x <= x[1] && place.y <= y[1];
    if (!inside || (before && before.stable !== place.stable)) finish(before?.stable);
    if (inside) piece.push([scales.x(place.x), scales.y(place.y)]);
    before = inside ? place : null;
  }
  finish(before?.stable);
  draw(svg, "circle", { class: "point", cx: scales.x(point.x), cy: scales.y(point.y), r: 6 });
}
