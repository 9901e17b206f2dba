// Bars and curves.
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
  const most = Math.max(1, one * 2, ...curves.flat().map((point) => point[1])) * 1.05;
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
