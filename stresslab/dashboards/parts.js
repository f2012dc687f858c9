// What every figure of the page is made of: words, numbers, elements, tables, pictures. No text ever becomes markup:
// elements take it as text, and the picture library, which reads a little markup, takes it escaped.
"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const WORDS = JSON.parse(document.getElementById("words").textContent);
const state = {
  language: document.documentElement.lang === "en" ? "en" : "zh",
  runs: new Set(), scenarios: new Set(), platform: "", investor: "", picks: {},
};
const CHARTED = 12; // so many bars or lines of one chart can still be told apart
const NONE = "—";

function t(key, values) {
  const words = WORDS[key] ? WORDS[key][state.language === "en" ? 0 : 1] : key;
  return words.replace(/\{(\w+)\}/g, (all, name) => (values && name in values ? values[name] : all));
}
const said = (both) => both[state.language] || both.en || both.zh || "";
const sentence = (number) => DATA.texts[number][state.language === "en" ? 0 : 1];
const locale = () => (state.language === "en" ? "en" : "zh-CN");

function num(value, digits) {
  if (value === null || value === undefined) return NONE;
  const size = Math.abs(value);
  const places = digits !== undefined ? digits : size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
  return form({ maximumFractionDigits: places }).format(value).replace("-", "−");
}
// Making a format takes longer than using it a hundred times, and a large table has ten thousand numbers.
const FORMS = new Map();
function form(asked) {
  const key = locale() + JSON.stringify(asked);
  if (!FORMS.has(key)) FORMS.set(key, new Intl.NumberFormat(locale(), asked));
  return FORMS.get(key);
}
const percent = (value) => (value === null || value === undefined ? NONE : num(value) + "%");
const day = (value) => (value === null || value === undefined ? NONE : num(value, 0));
function yuan(value) {
  if (value === null || value === undefined) return NONE;
  const size = Math.abs(value);
  if (state.language === "en") {
    return form({ notation: "compact", maximumSignificantDigits: 3 }).format(value).replace("-", "−");
  }
  if (size >= 1e8) return num(value / 1e8) + "亿";
  return size >= 1e4 ? num(value / 1e4) + "万" : num(value, 0);
}

function el(tag, attributes, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...inside.filter((x) => x !== null && x !== undefined));
  return made;
}

// [value, error, low, high] as a cell: the value, its standard error, its interval.
function estimate(told, form) {
  if (!told || told[0] === null) return told && told[2] !== null && told[2] !== undefined ? `≥ ${form(told[2])}` : NONE;
  const cell = el("span", {}, told[1] ? `${form(told[0])} ± ${form(told[1])}` : form(told[0]));
  if (told[2] !== null && told[3] !== null && (told[2] !== told[0] || told[3] !== told[0])) {
    cell.append(el("small", {}, `[${form(told[2])}, ${form(told[3])}]`));
  }
  return cell;
}

// Cells are texts or elements; the first `words` columns are words, the others numbers.
function table(label, heads, rows, words) {
  const kind = (at) => (at < words ? { class: "word" } : {});
  const head = el("tr", {}, ...heads.map((h, at) => el("th", { scope: "col", ...kind(at) }, h)));
  const body = rows.map((row) => el("tr", {}, ...row.map((cell, at) => el("td", kind(at), cell))));
  const made = el("table", {}, el("thead", {}, head), el("tbody", {}, ...body));
  // A reader without a mouse scrolls it with the arrows, so it can have the focus.
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, made);
}

const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\s+/g, " ");
const cut = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
const label = (text, most) => plain(cut(String(text), most || 30));

function dark() {
  const asked = document.documentElement.dataset.theme;
  return asked === "dark" || (asked !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
}
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const PALETTES = {
  light: ["#1f5f99", "#c65d1e", "#17806a", "#8a4fa0", "#a98200", "#6b7783", "#b5365b", "#2391ab"],
  dark: ["#7cb7ea", "#f0a36b", "#6fd0b0", "#c79be0", "#e6c75a", "#a3afba", "#f08aa8", "#6fd2e6"],
};
const hue = (at) => PALETTES[dark() ? "dark" : "light"][at % 8];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const dash = (at) => DASHES[Math.floor(at / 8) % 4];
function faint(hex, alpha) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
}

const narrow = () => window.innerWidth < 560;
const MEASURE = document.createElement("canvas").getContext("2d");
// Room for the names of bars, no more than half of the picture.
function margin(names, width) {
  MEASURE.font = "12px sans-serif";
  const widest = Math.max(0, ...names.map((n) => MEASURE.measureText(n).width));
  return Math.min(widest + 18, width * (narrow() ? 0.48 : 0.42));
}

function axis(title, more) {
  return {
    title: { text: title, font: { size: 12 }, standoff: 8 }, gridcolor: colour("grid"), linecolor: colour("line"), zerolinecolor: colour("line"),
    tickfont: { size: 12 }, fixedrange: true, automargin: true, ...more,
  };
}

// The picture library's own legend neither wraps nor scrolls well on a phone: names stand above the picture as text. A trace with `key` has one.
function legend(traces) {
  const named = traces.filter((one) => one.key).sort((a, b) => Boolean(b.first) - Boolean(a.first));
  if (named.length < 2) return null;
  return el("ul", { class: "legend" }, ...named.map((one) => {
    const swatch = el("i", {});
    const line = one.line && one.line.width !== 0;
    swatch.style.background = line ? "none" : one.fillcolor || (one.marker || {}).color;
    if (line) swatch.style.borderTop = `${one.line.width > 2.2 ? 3 : 2}px ${{ solid: "solid", dot: "dotted" }[one.line.dash || "solid"] || "dashed"} ${one.line.color}`;
    if (line) swatch.className = "stroke";
    return el("li", {}, swatch, cut(one.key, 44));
  }));
}

// What amounts are counted in, so that an axis shows short numbers: [yuan, words].
function unit(values) {
  const most = Math.max(0, ...values.filter((v) => v !== null).map(Math.abs));
  const units = state.language === "en"
    ? [[1e9, "billion yuan"], [1e6, "million yuan"], [1e3, "thousand yuan"]] : [[1e8, "亿元"], [1e4, "万元"]];
  return units.find(([size]) => most >= size) || [1, t("yuan")];
}

function picture(holder, traces, layout, height, said) {
  const whole = {
    height, margin: { l: 54, r: 12, t: 8, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: colour("sans"), size: 12, color: colour("ink") }, dragmode: false, hovermode: "closest",
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink"), size: 12 }, namelength: -1 },
    ...layout, showlegend: false,
  };
  holder.setAttribute("role", "img");
  holder.setAttribute("aria-label", said);
  Plotly.react(holder, traces, whole, { displayModeBar: false, responsive: true });
}
