// The map of chosen blocks.
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
