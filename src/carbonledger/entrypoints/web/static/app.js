// What pages gain by script: the search key, menus that close, the theme, copying, plots. Every page can be read without it.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const field = document.querySelector(".search input");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  }
  if (event.key === "Escape") {
    for (const menu of all("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
    if (event.target.matches?.(".search input")) event.target.blur();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  const theme = event.target.closest?.("[data-theme-choice]");
  if (theme) setTheme(theme.dataset.themeChoice);
  const copy = event.target.closest?.("[data-copy]");
  if (copy) copyFrom(copy);
});
// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  const button = event.submitter ?? event.target.querySelector("button");
  setTimeout(() => { if (button) button.disabled = true; });
});
// On a phone the sections are one line that scrolls: the present one is brought into it.
for (const here of all(".side [aria-current], .tabs [aria-current]")) {
  const line = here.closest("ul");
  line.scrollLeft = Math.max(0, here.offsetLeft - line.offsetLeft - (line.clientWidth - here.offsetWidth) / 2);
}
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

function setTheme(chosen) {
  try { chosen === "system" ? localStorage.removeItem("theme") : localStorage.setItem("theme", chosen); } catch { /* it holds for this page then */ }
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  showTheme();
  redraw();
}
function showTheme() {
  const now = document.documentElement.dataset.theme ?? "system";
  for (const button of all("[data-theme-choice]")) button.setAttribute("aria-pressed", String(button.dataset.themeChoice === now));
}
async function copyFrom(button) {
  const said = button.parentElement.querySelector("[role=status]");
  try {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
    if (said) said.textContent = "Copied.";
  } catch {
    if (said) said.textContent = "The browser refused to copy. Select the text and copy it yourself.";
  }
}

// What is copied is exact: a rounded figure gives its exact value, a table its cells with tabs between them.
document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || !event.clipboardData) return;
  const range = selection.getRangeAt(0);
  const around = range.commonAncestorContainer.nodeType === 1 ? range.commonAncestorContainer : range.commonAncestorContainer.parentElement;
  const one = around.closest("data.exact");
  if (one) { event.clipboardData.setData("text/plain", one.value); event.preventDefault(); return; }
  const part = range.cloneContents();
  const figures = all("data.exact", part);
  if (!figures.length) return;
  for (const figure of figures) figure.textContent = figure.value;
  for (const spread of all(".spread", part)) spread.remove();
  const rows = all("tr", part);
  const text = (node) => node.textContent.trim().replace(/\s+/g, " ");
  const copied = rows.length ? rows.map((row) => [...row.children].map(text).join("\t")).join("\n") : text(part);
  event.clipboardData.setData("text/plain", copied);
  event.preventDefault();
});

// --- plots: drawn from the table beside them, so that both always say the same

let plots = [];
function redraw() {
  for (const plot of plots) plot.destroy();
  plots = [];
  for (const figure of all("[data-plot]")) if (typeof uPlot !== "undefined") draw(figure);
}

function draw(figure) {
  const table = figure.querySelector("table");
  const canvas = figure.querySelector(".canvas");
  const rows = all("tbody tr", table);
  if (!rows.length) return;
  canvas.hidden = false;
  canvas.textContent = "";
  const details = figure.querySelector("details.data");
  if (details && !details.dataset.touched) { details.open = false; details.dataset.touched = "1"; }
  const style = getComputedStyle(document.documentElement);
  const quiet = colourOf(figure, "quiet");
  const heads = all("thead th[data-series]", table);
  const colours = heads.map((head) => colourOf(figure, head.dataset.series));
  const values = heads.map((_, place) => rows.map((row) => Number(row.cells[place + 1].dataset.value ?? 0)));
  const stacked = [];
  values.forEach((series, place) => stacked.push(series.map((value, at) => value + (place ? stacked[place - 1][at] : 0))));
  const places = rows.map((_, at) => at);
  // The topmost first: each lower one is drawn over it.
  const order = stacked.map((_, place) => stacked.length - 1 - place);
  const label = (at) => rows[at]?.dataset.label ?? "";
  const plot = new uPlot({
    width: canvas.clientWidth, height: canvas.clientHeight, padding: [12, 8, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } }, legend: { show: false },
    scales: { x: { time: false, range: [-0.6, rows.length - 0.4] }, y: { range: (_, __, most) => [0, Math.max(most, whiskerMost(rows)) * 1.05 || 1] } },
    axes: [
      { stroke: quiet, grid: { show: false }, ticks: { show: false }, size: 32, gap: 8, font: font(style),
        splits: (u) => ticks(rows.length, u.width), values: (_, splits) => splits.map(label) },
      { stroke: quiet, size: 64, gap: 8, font: font(style), grid: { stroke: lineOf(figure), width: 1 }, ticks: { show: false },
        values: (_, splits) => splits.map((split) => tick(split)) },
    ],
    series: [{}, ...order.map((place) => ({ fill: colours[place], stroke: colours[place], width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.72, 56] }) }))],
    hooks: { drawAxes: [(u) => bands(u, rows, quiet)], draw: [(u) => overlay(u, rows, stacked.at(-1), style.backgroundColor)], setCursor: [(u) => tip(u, canvas, rows, heads, table)] },
  }, [places, ...order.map((place) => stacked[place])], canvas);
  plot.root.setAttribute("aria-hidden", "true");
  plots.push(plot);
}
const font = (style) => `12px ${style.fontFamily}`;
const whiskerMost = (rows) => Math.max(0, ...rows.map((row) => Number(row.dataset.high ?? 0)));
function colourOf(figure, name) {
  const probe = figure.querySelector(`.swatch.${CSS.escape(name)}`) ?? figure.querySelector(`.${CSS.escape(name)}`);
  return probe ? getComputedStyle(probe).color : getComputedStyle(figure).color;
}
const lineOf = (figure) => getComputedStyle(figure.querySelector("header")).borderBottomColor;
function ticks(count, width) {
  const step = Math.max(1, Math.ceil(count / Math.max(2, Math.floor(width / 96))));
  return Array.from({ length: Math.ceil(count / step) }, (_, at) => at * step);
}
function tick(value) {
  return value === 0 ? "0" : Number(value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 6 });
}
// The range of the whole stands behind its column, pale up to the high bound; a cut through the column is the low one.
function bands(u, rows, quiet) {
  const context = u.ctx, ratio = devicePixelRatio;
  const slot = u.valToPos(1, "x", true) - u.valToPos(0, "x", true), wide = Math.min(slot * 0.72, 56 * ratio);
  context.save();
  context.fillStyle = quiet; context.globalAlpha = 0.22;
  rows.forEach((row, at) => {
    if (!Number(row.dataset.high)) return;
    const top = u.valToPos(Number(row.dataset.high), "y", true);
    context.fillRect(u.valToPos(at, "x", true) - wide / 2, top, wide, u.valToPos(0, "y", true) - top);
  });
  context.restore();
}
// What may still change is hatched.
function overlay(u, rows, tops, paper) {
  const context = u.ctx, ratio = devicePixelRatio;
  const slot = u.valToPos(1, "x", true) - u.valToPos(0, "x", true), wide = Math.min(slot * 0.72, 56 * ratio);
  context.save();
  rows.forEach((row, at) => {
    const x = u.valToPos(at, "x", true), top = u.valToPos(tops[at], "y", true), ground = u.valToPos(0, "y", true);
    const share = Number(row.dataset.provisional ?? 0);
    if (share > 0 && ground - top > 1) hatch(context, x - wide / 2, top, wide, Math.max((ground - top) * share, 3 * ratio), ratio);
    if (row.dataset.high && tops[at] > 0) {
      const low = u.valToPos(Number(row.dataset.low), "y", true);
      context.strokeStyle = paper; context.lineWidth = 2 * ratio;
      context.beginPath(); context.moveTo(x - wide / 2, low); context.lineTo(x + wide / 2, low); context.stroke();
    }
  });
  context.restore();
}
function hatch(context, x, y, wide, high, ratio) {
  context.save();
  context.beginPath(); context.rect(x, y, wide, high); context.clip();
  context.strokeStyle = "rgb(255 255 255 / 65%)"; context.lineWidth = 1.5 * ratio;
  for (let at = -high; at < wide; at += 5 * ratio) { context.beginPath(); context.moveTo(x + at, y + high); context.lineTo(x + at + high, y); context.stroke(); }
  context.restore();
}
function tip(u, canvas, rows, heads, table) {
  canvas.querySelector(".tip")?.remove();
  const at = u.cursor.idx, row = at == null ? null : rows[at];
  if (!row || u.cursor.left < 0) return;
  const box = document.createElement("div");
  box.className = "tip";
  const title = document.createElement("b");
  title.textContent = `${row.cells[0].textContent.trim()}: ${row.cells[row.cells.length - 1].textContent.trim()} ${table.dataset.unit ?? ""}`;
  box.append(title);
  heads.forEach((head, place) => {
    const cell = row.cells[place + 1];
    if (!Number(cell.dataset.value)) return;
    const line = document.createElement("div"), swatch = document.createElement("span"), name = document.createElement("span"), value = document.createElement("span");
    swatch.className = `swatch ${head.dataset.series}`; name.textContent = head.textContent.trim(); value.textContent = cell.textContent.trim();
    line.append(swatch, name, value);
    box.append(line);
  });
  canvas.append(box);
  const left = u.cursor.left + u.bbox.left / devicePixelRatio;
  box.style.insetBlockStart = "8px";
  box.style.left = `${left + 16 + box.offsetWidth > canvas.clientWidth ? Math.max(0, left - 16 - box.offsetWidth) : left + 16}px`;
}

let width = 0, waiting = 0;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; clearTimeout(waiting); waiting = setTimeout(redraw, 120); } });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.addEventListener("htmx:after:swap", redraw);
for (const part of all("[data-needs-script]")) part.hidden = false;
showTheme();
width = innerWidth;
redraw();
