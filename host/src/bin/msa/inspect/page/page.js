// The page as a whole.
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
