// Saving a figure: SVG, the same as PNG at twice the size, and its figures as CSV. Each says where it comes from.

const FOOT = 50;

function describeOrigin(page, k, use) {
  const models = page.models.map((model) => `${model.id} v${model.version} sha256 ${model.sha256}`).join("; ");
  return [
    `Medcore, ${page.title} (${page.condition})`,
    `${page.source}; ${page.n_events} of ${page.n} ${page.noun} with the outcome`,
    `prevalence ${percent(page.prevalence, 2)}; cut-off ${percent(page.cuts[k], 1)}; ${use}`,
    `models: ${models}`,
    `saved ${new Date().toISOString()}`,
  ];
}

function nameFile(page, figure, kind) {
  return `medcore-${page.condition}-${figure.name}-${page.models.map((model) => model.sha256.slice(0, 6)).join("-")}.${kind}`;
}

// A copy of the figure with its origin inside and, in small type, below.
function writeSvg(figure, page, k, use) {
  const copy = figure.svg.cloneNode(true);
  const origin = describeOrigin(page, k, use);
  copy.querySelector(".hover")?.remove();
  const height = figure.height + FOOT;
  copy.setAttribute("height", height);
  copy.setAttribute("viewBox", `0 0 ${SIZE.width} ${height}`);
  copy.querySelector("rect").setAttribute("height", height);
  copy.insertBefore(svg("metadata", {}, origin.join("\n")), copy.firstChild);
  const small = { x: 8, fill: QUIET, "font-size": 11 };
  const heading = `${figure.title}: ${page.title}, ${page.n} ${page.noun}, prevalence ${percent(page.prevalence)}.`;
  const hashes = page.models.map((model) => `${model.name} ${model.sha256.slice(0, 6)}`).join(" · ");
  copy.append(svg("text", { ...small, y: figure.height + 12 }, heading));
  copy.append(svg("text", { ...small, y: figure.height + 27 }, `Medcore. ${capital(page.source)}.`));
  copy.append(svg("text", { ...small, y: figure.height + 42 }, `Versions: ${hashes}`));
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}`;
}

async function writePng(figure, page, k, use) {
  const source = writeSvg(figure, page, k, use);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * SIZE.width;
  canvas.height = 2 * (figure.height + FOOT);
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return addText(bytes, "Description", describeOrigin(page, k, use).join("\n"));
}

function checksum(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

// A PNG with an international text chunk right after its header (signature 8, header chunk 25 bytes).
function addText(png, keyword, text) {
  const body = new TextEncoder().encode(`iTXt${keyword}\0\0\0\0\0${text}`);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(4 + body.length, checksum(body));
  const start = 33;
  const result = new Uint8Array(png.length + chunk.length);
  result.set(png.subarray(0, start));
  result.set(chunk, start);
  result.set(png.subarray(start), start + chunk.length);
  return result;
}

function writeCsv(figure, page, k, use) {
  const lines = describeOrigin(page, k, use).map((line) => `# ${line}`);
  lines.push(["model", "sha256", ...figure.columns].join(","));
  for (const model of figure.only ? [figure.only] : page.models) {
    for (const row of figure.rows(model)) {
      lines.push([model.id, model.sha256.slice(0, 12), ...row.map(writeNumber)].join(","));
    }
  }
  return `${lines.join("\n")}\n`;
}

function writeNumber(value) {
  if (typeof value !== "number") return value;
  return Number.isFinite(value) ? String(Number(value.toFixed(6))) : "";
}

const WRITERS = {
  svg: [writeSvg, "image/svg+xml;charset=utf-8"],
  png: [writePng, "image/png"],
  csv: [writeCsv, "text/csv;charset=utf-8"],
};

async function saveFigure(figure, page, k, use, kind) {
  const [write, type] = WRITERS[kind];
  const content = await write(figure, page, k, use);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = nameFile(page, figure, kind);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
