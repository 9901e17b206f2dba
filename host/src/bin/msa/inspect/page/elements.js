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
