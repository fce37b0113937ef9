/* The tables that the package computed: read from the page, with the slopes that interpolation needs. */

const TABLES = JSON.parse(document.getElementById("tables").textContent);

/** Return the normal variables of base64 of 16-bit whole numbers, lowest byte first. */
function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 2 }, (_, i) => (
    view.getInt16(2 * i, true) / 32767 * TABLES.largestNormal
  ));
}

for (const [name, packed] of Object.entries(TABLES.draws)) TABLES.draws[name] = unpacked(packed);
for (const [name, row] of Object.entries(TABLES.output)) TABLES.output[name] = { row, slopes: slopesOf(row) };
for (const activation of Object.values(TABLES.activations)) {
  activation.slopes = activation.moments.map(slopesOf);
  for (const [name, rows] of Object.entries(activation.pairs)) {
    activation.pairs[name] = surface(TABLES.pairAxis, TABLES.unlikeAxis, rows);
  }
}
