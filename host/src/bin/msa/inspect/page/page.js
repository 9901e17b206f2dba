"use strict";
const report = JSON.parse(document.getElementById("report").textContent);
const { facts, selection, locality, margins } = report;

// Elements are made from text alone: what comes from the file is never read as HTML.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  return filled(made, attributes, children);
}
function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  return filled(made, attributes, children);
}
function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

const count = (number, one, many = one + "s") =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");
const fixed = (number, digits) => (number === null ? "–" : number.toFixed(digits));
const section = (title, lead, ...content) =>
  element("section", {}, element("h2", {}, title), lead ? element("p", { class: "quiet" }, lead) : null, ...content);

/** The first of 1, 2, 5, 10, 20, ... and their tenths that is no less. */
function round(size) {
  const unit = 10 ** Math.floor(Math.log10(size));
  return [1, 2, 5, 10].map((times) => times * unit).find((step) => step >= size * 0.999);
}

// ---- what the file holds
function overview() {
  const name = report.file.split(/[\\/]/).pop();
  document.title = `${name} – msa inspect`;
  const card = (term, value, ...more) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, value, ...more.map((line) => element("small", {}, line))));
  const keep = report.overlap.map((head) => head.keep).filter((keep) => keep !== null);
  const smallest = margins?.quantiles[0];
  const scored = report.scored.absent ? "none" : `computed now, of ${scope(report.scored.rows, facts.rows)}`;
  return element("header", {},
    element("h1", {}, name),
    element("p", { class: "quiet" },
      `One step of layer ${facts.layer} of ${facts.layers}. Lists: ${facts.lists}. Scores: ${scored}.`),
    element("dl", { class: "cards" },
      card("route", facts.route, `${count(facts.rows, "row")} of ${count(facts.requests.length, "request")}`),
      card("heads", `${facts.heads} / ${facts.kv_heads}`, "query / KV"),
      card("blocks a row", `top ${facts.topk}`, `${facts.init_blocks} initial, ${facts.local_blocks} local forced; listed by ${facts.id_order}`),
      card("longest horizon", count(selection.blocks, "block"), `${facts.pages} pages, index ${facts.index_pages ?? "–"}`),
      card("kept from the row before", keep.length ? (keep.reduce((a, b) => a + b) / keep.length).toFixed(3) : "–", "of a row's blocks, its own aside"),
      card("smallest margin", smallest ? smallest.margin.toPrecision(3) : "–",
        smallest ? `${smallest.ulps.toFixed(2)} bf16 ulps of the score` : margins ? "nothing is left out" : "no scores"),
      card("scale", facts.scale.toPrecision(6), `index ${facts.index_scale?.toPrecision(6) ?? "–"}`)));
}
const scope = (some, all) => (some === all ? "all rows" : `${some} of ${all} rows`);

// ---- warnings
function warnings() {
  const list = report.warnings.map((warning) => {
    const rows = [];
    const row = (term, text) => rows.push(element("dt", {}, term), element("dd", {}, text));
    warning.places.forEach((place, index) => row(index ? "" : "at", place));
    if (warning.count > warning.places.length) row("", `and ${warning.count - warning.places.length} more`);
    row("why", warning.why);
    row("check", warning.check);
    const head = element("summary", {}, element("b", {}, warning.level), " ", element("code", {}, warning.lint), ` ${warning.what} (${count(warning.count, "time")})`);
    // Many at once would push everything else off the page.
    const open = warning.level === "error" || report.warnings.length <= 2 ? { open: "" } : {};
    return element("details", { class: warning.level, ...open }, head, element("dl", {}, ...rows));
  });
  return section("What looks like a mistake", list.length ? null : "Nothing does.", ...list);
}

// ---- the map of chosen blocks
const BLOCK = 128;
function map() {
  const STRIP = 44, LEFT = 64, BOTTOM = 24;
  const canvas = element("canvas", { tabindex: "0", role: "img", "aria-label": "Map of chosen blocks: rows down, blocks across. Arrow keys move, plus and minus zoom, zero shows all." });
  const readout = element("output", { "aria-live": "polite" });
  const choice = (label, options) => {
    const select = element("select", {}, ...options.map(([value, text]) => element("option", { value }, text)));
    return [select, element("label", {}, label, " ", select)];
  };
  const [head, headLabel] = choice("head", selection.popularity.map((_, index) => [index, index]));
  const present = [...new Set(selection.rows.map((row) => row.request))];
  const [request, requestLabel] = choice("request", [["all", "all"], ...present.map((index) => [index, index])]);
  const button = (text, label, act) => {
    const made = element("button", { type: "button", "aria-label": label }, text);
    made.addEventListener("click", act);
    return made;
  };

  let rows = [], view = null, cursor = { row: 0, block: 0 }, pointed = false;
  const blocks = Math.max(1, selection.blocks);
  const whole = () => ({ x: 0, width: blocks, y: 0, height: Math.max(1, rows.length) });
  function reset() {
    rows = selection.rows.filter((row) => request.value === "all" || row.request === Number(request.value));
    view = whole();
    cursor = { row: 0, block: 0 };
    tell();
    draw();
  }

  function zoom(factor) {
    const within = (start, size, most, point) => {
      const next = Math.min(most, Math.max(Math.min(8, most), size / factor));
      const first = Math.min(most - next, Math.max(0, point + 0.5 - next / 2));
      return [first, next];
    };
    [view.x, view.width] = within(view.x, view.width, blocks, cursor.block);
    [view.y, view.height] = within(view.y, view.height, Math.max(1, rows.length), cursor.row);
    draw();
  }

  function move(down, right) {
    pointed = true;
    const clamp = (value, most) => Math.min(most, Math.max(0, value));
    cursor.row = clamp(cursor.row + down, rows.length - 1);
    cursor.block = clamp(cursor.block + right, blocks - 1);
    view.x = Math.min(Math.max(view.x, cursor.block + 1 - view.width), cursor.block);
    view.y = Math.min(Math.max(view.y, cursor.row + 1 - view.height), cursor.row);
    tell();
    draw();
  }

  function tell() {
    const row = rows[cursor.row];
    if (!row) { readout.value = "There are no rows."; return; }
    const list = row.lists[head.value];
    const own = Math.floor(row.position / BLOCK);
    const slots = list.ids.flatMap((id, slot) => (id === cursor.block ? [slot] : []));
    const score = slots.length && list.scores.length ? list.scores[slots[0]] : null;
    let block = `block ${cursor.block}: `;
    if (cursor.block > own) block += "after the row" + (slots.length ? ", listed all the same" : "");
    else if (!slots.length) block += "not chosen";
    else {
      block += `chosen, slot ${slots.map((slot) => slot + 1).join(" and ")} of ${list.ids.length}, page ${list.pages[slots[0]] ?? "not in the table"}`;
      block += score === null ? "" : `, score ${score.toFixed(4)}`;
      block += cursor.block === own ? ", the row's own" : "";
    }
    const { cut } = list;
    const margin = cut && `\nat the cut: block ${cut.chosen} (${fixed(cut.chosen_score, 4)}) chosen, block ${cut.left_out} (${fixed(cut.left_out_score, 4)}) left out`;
    readout.value = `row ${row.row}: request ${row.request}, position ${row.position}, in block ${own}\n${block}${margin ?? ""}`;
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth || 1110;
    const body = Math.min(520, Math.max(60, view.height * 16));
    const height = STRIP + body + BOTTOM;
    canvas.style.height = `${height}px`;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    const cell = (width - LEFT - 8) / view.width, line = body / view.height;
    const left = (block) => LEFT + (block - view.x) * cell, top = (row) => STRIP + (row - view.y) * line;
    const gap = cell > 5 && line > 5 ? 1 : 0;
    // Edges lie on whole pixels, or neighbouring cells would shine through each other.
    const fill = (row, first, end) => {
      const [x, y] = [Math.round(left(first)), Math.round(top(row))];
      pen.fillRect(x, y, Math.max(1, Math.round(left(end)) - x - gap), Math.max(1, Math.round(top(row + 1)) - y - gap));
    };

    pen.save();
    pen.beginPath();
    pen.rect(LEFT, STRIP, width - LEFT - 8, body);
    pen.clip();
    const from = Math.floor(view.y), to = Math.min(rows.length, Math.ceil(view.y + view.height));
    pen.fillStyle = color("seen");
    for (let index = from; index < to; index++) {
      const own = Math.floor(rows[index].position / BLOCK);
      if (own >= view.x) fill(index, view.x, own + 1);
    }
    const [weak, strong, ownColor] = ["weak", "strong", "own"].map(color);
    for (let index = from; index < to; index++) {
      const row = rows[index], list = row.lists[head.value];
      const own = Math.floor(row.position / BLOCK);
      // The worst first, so that the best is not painted over where cells are narrow.
      for (let slot = list.ids.length - 1; slot >= 0; slot--) {
        const block = list.ids[slot];
        if (block < 0 || block > own) continue;
        const share = list.ids.length > 1 ? 1 - slot / (list.ids.length - 1) : 1;
        pen.fillStyle = block === own ? ownColor : `color-mix(in srgb, ${strong} ${Math.round(20 + 80 * share)}%, ${weak})`;
        fill(index, block, block + 1);
      }
    }
    if (pointed && rows.length) {
      pen.strokeStyle = color("mark");
      pen.lineWidth = 2;
      pen.strokeRect(left(cursor.block) - 1, top(cursor.row) - 1, Math.max(3, cell - gap + 2), Math.max(3, line - gap + 2));
    }
    pen.restore();

    // How often each block is chosen, above the map.
    const popularity = selection.popularity[head.value], bin = selection.blocks_per_bin;
    const most = Math.max(1, ...popularity);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, width - LEFT - 8, STRIP);
    pen.clip();
    pen.fillStyle = strong;
    popularity.forEach((times, index) => {
      const tall = (times / most) * (STRIP - 12);
      pen.fillRect(left(index * bin), STRIP - 4 - tall, Math.max(1, cell * bin - gap), tall);
    });
    pen.restore();

    pen.fillStyle = color("quiet");
    pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "top";
    pen.fillText("times", LEFT - 8, 6);
    pen.fillText(`≤ ${most}`, LEFT - 8, 22);
    pen.textBaseline = "middle";
    const every = Math.max(1, Math.ceil(20 / line));
    for (let index = from; index < to; index += every) pen.fillText(`row ${rows[index].row}`, LEFT - 8, top(index) + Math.max(line / 2, 6));
    pen.textBaseline = "top";
    pen.textAlign = "left";
    const step = Math.max(1, round(view.width / 10)), start = Math.ceil(view.x / step) * step;
    for (let block = start; block < view.x + view.width; block += step)
      pen.fillText(block === start ? `block ${block}` : block, left(block), STRIP + body + 6);
    canvas.dataset.rows = to - from;
  }

  canvas.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 10 : 1;
    const page = Math.max(1, Math.floor(view.height));
    const keys = {
      ArrowUp: () => move(-far, 0), ArrowDown: () => move(far, 0), ArrowLeft: () => move(0, -far), ArrowRight: () => move(0, far),
      PageUp: () => move(-page, 0), PageDown: () => move(page, 0), Home: () => move(0, -blocks), End: () => move(0, blocks),
      "+": () => zoom(2), "=": () => zoom(2), "-": () => zoom(0.5), 0: reset,
    };
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    const across = (event.clientX - box.left - LEFT) / (box.width - LEFT - 8);
    const down = (event.clientY - box.top - STRIP) / (box.height - STRIP - BOTTOM);
    if (across < 0 || across >= 1 || down < 0 || down >= 1 || !rows.length) return;
    cursor = {
      row: Math.min(rows.length - 1, Math.floor(view.y + down * view.height)),
      block: Math.min(blocks - 1, Math.floor(view.x + across * view.width)),
    };
    pointed = true;
    tell();
    draw();
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  head.addEventListener("change", () => { tell(); draw(); });
  request.addEventListener("change", reset);
  window.addEventListener("resize", () => draw());
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());

  const legend = [["strong", "chosen first"], ["weak", "chosen last"], ["own", "the row's own block"], ["seen", "seen, not chosen"]].map(
    ([name, text]) => element("span", {}, element("i", { style: `background: var(--${name})` }), text));
  const shown = scope(selection.rows.length, facts.rows);
  const made = section("Chosen blocks",
    `Rows down, blocks of ${BLOCK} tokens across; ${shown} shown${selection.rows.length === facts.rows ? "" : ", spread evenly"}. Above: how often all rows choose each block.`,
    element("div", { class: "controls" }, headLabel, requestLabel,
      button("+", "zoom in", () => zoom(2)), button("−", "zoom out", () => zoom(0.5)), button("all", "show all", reset),
      element("span", { class: "legend" }, ...legend)),
    canvas, readout,
    element("p", { class: "quiet" }, "Point at a cell, or focus the map and use the arrow keys (with shift: ten at a time), + and − to zoom, 0 for all."));
  return [made, reset];
}

// ---- charts
function bars(items) {
  const LABEL = 84, WIDTH = 520, LINE = 22, ROOM = 150;
  const most = Math.max(1e-9, ...items.map((item) => item.value));
  const parts = items.flatMap(({ label, value, note }, index) => {
    const y = index * LINE, width = (value / most) * (WIDTH - LABEL - ROOM);
    return [
      shape("text", { x: LABEL - 8, y: y + 15, "text-anchor": "end" }, label),
      shape("rect", { class: "bar", x: LABEL, y: y + 4, width: Math.max(width, value > 0 ? 1 : 0), height: LINE - 8, rx: 2 }),
      shape("text", { class: "value", x: LABEL + width + 8, y: y + 15 }, note),
    ];
  });
  return shape("svg", { viewBox: `0 0 ${WIDTH} ${items.length * LINE + 4}`, role: "img" }, ...parts);
}

function localitySection() {
  const items = locality.ages.map((age) => ({
    label: age.first === age.last ? `${age.first}` : `${age.first} – ${age.last}`,
    value: age.there ? age.chosen / age.there : 0,
    note: `${percent(age.chosen, age.there)} (${age.chosen.toLocaleString("en")})`,
  }));
  const mean = locality.mean_age === null ? "" : ` The others are ${locality.mean_age.toFixed(1)} blocks old on average.`;
  return section("Locality",
    `The share of blocks that is chosen, by how many blocks before the row's own they are. Of ${count(locality.chosen, "choice")}, ${percent(locality.own, locality.chosen)} are the row's own block, ${percent(locality.forced, locality.chosen)} are forced.${mean}`,
    bars(items));
}

function marginSection() {
  const title = "Margins at the cut";
  if (!margins) return section(title, `Unknown: ${report.scored.absent ?? "there are no rows"}.`);
  if (!margins.cuts) return section(title, "No row leaves out a block that it could choose.");
  const items = margins.histogram.map((bar) => ({ label: bar.label, value: bar.cuts, note: `${bar.cuts}` }));
  const median = margins.quantiles.find((quantile) => quantile.share === 0.5);
  return section(title,
    `The worst chosen block's score less that of the best one left out, in bf16 ulps of the score: below about 1, rounding decides. ${count(margins.cuts, "cut")} in ${count(margins.lists, "list")}; ${margins.ties} tie, ${margins.within_tolerance} are within the contract's tolerance. Median ${median.margin.toPrecision(3)}.`,
    bars(items));
}

function overlapSection() {
  const title = "Overlap between neighbours";
  const curves = report.overlap.map((head) => report.windows.flatMap((rows, index) => (head.distinct[index] === null ? [] : [[rows, head.distinct[index]]])));
  if (!curves.some((curve) => curve.length > 1)) return section(title, "No request has more than one row in this step.");
  const WIDTH = 520, HEIGHT = 250, LEFT = 40, BOTTOM = 36, TOP = 14, RIGHT = 40;
  const one = Math.max(...curves.map((curve) => curve[0][1]));
  const most = Math.max(one * 2, ...curves.flat().map((point) => point[1])) * 1.05;
  const x = (rows) => LEFT + (Math.log2(rows) / 4) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - BOTTOM - TOP);
  const path = (points) => points.map(([rows, value], index) => `${index ? "L" : "M"}${x(rows).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const ticks = report.windows.map((rows) => shape("text", { x: x(rows), y: HEIGHT - 18, "text-anchor": "middle" }, `${rows}`));
  const step = round(most / 5), grid = [];
  for (let value = 0; value <= most; value += step)
    grid.push(shape("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, `${Math.round(value * 100) / 100}`));
  const drawn = curves.flatMap((curve, head) => [
    shape("path", { class: "curve", d: path(curve) }),
    ...curve.map(([rows, value]) => shape("circle", { class: "dot", cx: x(rows), cy: y(value), r: 3.5 },
      shape("title", {}, `head ${head}, ${rows} rows: ${value.toFixed(2)} blocks`))),
  ]);
  // Straight, but the axis is logarithmic.
  const straight = [];
  for (let rows = 1; rows <= 16 && rows * one <= most; rows *= 1.05) straight.push([rows, rows * one]);
  const table = element("div", { class: "table" }, element("table", {},
    element("tr", {}, ...["head", ...report.windows.map((rows) => count(rows, "row")), "kept"].map((text) => element("th", { scope: "col" }, text))),
    ...report.overlap.map((head, index) => element("tr", {}, ...[`${index}`, ...head.distinct.map((value) => fixed(value, 2)), fixed(head.keep, 3)].map((text) => element("td", { class: "number" }, text))))));
  return section(title,
    "Different blocks that so many neighbouring rows of a request choose together; the dashed line is that of rows with nothing in common. Kept: the share of a row's blocks, its own aside, that the row before chose as well.",
    shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, ...grid, ...ticks,
      shape("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 2, "text-anchor": "middle" }, "neighbouring rows"),
      shape("path", { class: "reference", d: path(straight) }), ...drawn),
    table);
}

function requestSection() {
  const MOST = 512;
  const columns = ["request", "first row", "rows", "cached", "blocks", "chosen", "", "kept"];
  const rows = facts.requests.slice(0, MOST).map((request, index) => {
    const cells = [index, request.first_row, request.rows, request.cached, request.blocks, request.chosen, percent(request.chosen, request.blocks), fixed(request.keep, 3)];
    return element("tr", {}, ...cells.map((cell) => element("td", { class: "number" }, `${cell}`)));
  });
  const more = facts.requests.length > MOST ? ` The first ${MOST} of ${facts.requests.length}.` : "";
  return section("Requests", `Different blocks that a request's rows read under any head.${more}`,
    element("div", { class: "table" }, element("table", {}, element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text))), ...rows)));
}

const [mapSection, drawMap] = map();
document.querySelector("main").append(
  overview(), warnings(), mapSection,
  element("div", { class: "two" }, overlapSection(), localitySection(), marginSection(), requestSection()));
drawMap();
document.documentElement.dataset.drawn = "yes";
