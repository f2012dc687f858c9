// What is chosen, and how a choice reaches the figures. Every control is one of the browser's own, so the keyboard works as everywhere.
"use strict";
const at = (id) => document.getElementById(id);
const SCENARIOS = new Map(); // id → titles, in the order in which runs name them
const PLATFORMS = new Map();
for (const run of DATA.runs) {
  for (const s of run.scenarios) if (!SCENARIOS.has(s.id)) SCENARIOS.set(s.id, s);
  for (const p of run.platforms) if (!PLATFORMS.has(p.id)) PLATFORMS.set(p.id, p.name);
}

function checks(holder, rows, chosen, kind) {
  holder.replaceChildren(...rows.map(([value, words]) => {
    const box = el("input", { type: "checkbox", "data-kind": kind });
    box.value = value;
    box.checked = chosen.has(value);
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(value); else chosen.delete(value);
      refresh();
    });
    return el("label", {}, box, el("span", {}, words));
  }));
}

function options(select, rows, value) {
  select.replaceChildren(...rows.map(([v, words]) => {
    const made = el("option", {}, words);
    made.value = v;
    return made;
  }));
  select.value = rows.some(([v]) => v === value) ? value : rows.length ? rows[0][0] : "";
  return select.value;
}

// Words that do not depend on what is chosen; again at each change of language.
function wordsAgain() {
  document.documentElement.lang = state.language === "en" ? "en" : "zh-CN";
  document.title = t("title");
  for (const one of document.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  at("language").lang = state.language === "en" ? "zh-CN" : "en";
  at("find").placeholder = t("find");
  at("find").setAttribute("aria-label", t("find"));
  for (const one of document.querySelectorAll("[data-pick]")) {
    one.setAttribute("aria-label", `${t(one.dataset.pick === "run" ? "runs" : "scenarios")}: ${one.textContent}`);
  }
  lists();
  state.platform = options(at("platform"), [["", t("every_platform")], ...[...PLATFORMS].map(([id, name]) => [id, name === id ? id : `${id} ${name}`])], state.platform);
  state.investor = options(
    at("investor"), [["", t("every_investor")], ...["retail", "professional", "institution"].map((k) => [k, t(k)])], state.investor);
}

function lists() {
  checks(at("run-list"), DATA.runs.map((r, k) => [k, r.name]), state.runs, "run");
  checks(at("scenario-list"), [...SCENARIOS].map(([id, s]) => [id, said(s)]), state.scenarios, "scenario");
  search();
}

function search() {
  const asked = at("find").value.trim().toLowerCase();
  for (const row of at("run-list").children) {
    const run = DATA.runs[row.firstChild.value];
    row.hidden = !`${run.name} ${run.title} ${run.as_of}`.toLowerCase().includes(asked);
  }
}

const chosenRuns = () => DATA.runs.filter((_, k) => state.runs.has(k));
const chosenScenarios = () => [...SCENARIOS.keys()].filter((id) => state.scenarios.has(id));
// Each chosen run under each chosen scenario that it has.
function cases() {
  const runs = chosenRuns(), scenarios = chosenScenarios(), found = [];
  for (const run of runs) {
    for (const id of scenarios) {
      const scenario = run.scenarios.find((s) => s.id === id);
      if (!scenario) continue;
      const name = runs.length === 1 ? said(scenario) : scenarios.length === 1 ? run.name : `${run.name} · ${said(scenario)}`;
      found.push({ run, scenario, id, name, key: `${DATA.runs.indexOf(run)}|${id}` });
    }
  }
  return found;
}
const platformsOf = (run) => run.platforms.filter((p) => !state.platform || p.id === state.platform);
// Each chosen run with each chosen platform that it has.
function houses() {
  const runs = chosenRuns();
  return runs.flatMap((run) => platformsOf(run).map((platform) => ({
    run, platform, name: runs.length === 1 ? platform.name : state.platform ? run.name : `${run.name} · ${platform.id}`,
  })));
}

function build() {
  at("sections").replaceChildren(...SECTIONS.map((one) => {
    const head = el("h2", { id: `h-${one.id}` }, el("span", { "data-t": one.word }), " ", el("span", { class: "code" }, one.formula ? one.formula() : ""));
    const picks = (one.picks || []).map((pick) => {
      const select = el("select", { id: `pick-${pick.key}` });
      select.addEventListener("change", () => { state.picks[pick.key] = select.value; show(one); });
      return el("label", {}, el("span", { "data-t": pick.word }), select);
    });
    one.notes = el("div", {});
    one.names = el("div", {});
    one.plot = el("div", { class: "plot" });
    one.free = el("div", {});
    one.rows = el("details", {}, el("summary", { "data-t": "table" }));
    one.rows.addEventListener("toggle", () => fillTable(one));
    one.section = el("section", { id: one.id, class: one.wide ? "wide" : "", "aria-labelledby": `h-${one.id}` },
      el("div", { class: "top" }, head, picks.length ? el("div", { class: "picks" }, ...picks) : null), one.notes, one.names, one.plot, one.free, one.rows);
    return one.section;
  }));
}

// A table stands in the page only while it is open: a hundred runs have thousands of rows.
function fillTable(one) {
  while (one.rows.children.length > 1) one.rows.lastChild.remove();
  if (one.rows.open && one.told && one.told.table) one.rows.append(table(t(one.word), ...one.told.table()));
}

function show(one) {
  for (const pick of one.picks || []) state.picks[pick.key] = options(at(`pick-${pick.key}`), pick.rows(), state.picks[pick.key]);
  const told = one.draw();
  if (told.same) return;
  one.told = told;
  one.section.hidden = Boolean(told.hidden);
  one.notes.replaceChildren(...(told.notes || []).map((n) => el("p", { class: "note" }, n)), ...(told.warned || []).map((n) => el("p", { class: "warned" }, n)));
  one.free.replaceChildren(...(told.free || []));
  const drawn = Boolean(told.traces && told.traces.length);
  one.plot.hidden = !drawn;
  one.names.replaceChildren(...(drawn ? [legend(told.traces)].filter(Boolean) : []));
  one.rows.hidden = !told.table || !drawn;
  if (drawn) picture(one.plot, told.traces, told.layout, told.height, `${t(one.word)}. ${t("table")} ↓`);
  else if (!told.free && !told.hidden) one.notes.replaceChildren(el("p", { class: "note" }, t("nothing")), ...one.notes.querySelectorAll(".warned"));
  if (told.after) told.after();
  fillTable(one);
}

// The section in view first, the others when the browser has time: the first picture does not wait for the last.
let turn = 0;
function refresh() {
  const mine = ++turn;
  const runs = chosenRuns();
  at("status").textContent = DATA.runs.length
    ? t("shown", { runs: runs.length, all: DATA.runs.length, scenarios: chosenScenarios().length }) : t("no_run");
  at("banner").hidden = !runs.some((r) => r.synthetic);
  at("banner").textContent = t("synthetic");
  const unlike = chosenScenarios().filter((id) => new Set(runs.flatMap((r) => r.scenarios.filter((s) => s.id === id).map((s) => s.supposed))).size > 1);
  at("differ").hidden = !unlike.length;
  at("differ").textContent = t("differ", { names: unlike.map(titleOf).join(t("comma")) });
  document.body.dataset.ready = "no";
  const waiting = [...SECTIONS];
  const step = () => {
    if (mine !== turn) return;
    const until = performance.now() + 30;
    while (waiting.length && performance.now() < until) show(waiting.shift());
    if (waiting.length) setTimeout(step, 0); else document.body.dataset.ready = "yes";
  };
  step();
}

function start() {
  const some = DATA.runs.slice(0, DATA.runs.length > 3 ? 1 : 3);
  some.forEach((_, k) => state.runs.add(k));
  some.forEach((run) => run.scenarios.forEach((s) => state.scenarios.add(s.id)));
  at("controls").hidden = !DATA.runs.length;
  build();
  wordsAgain();
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  at("find").addEventListener("input", search);
  at("platform").addEventListener("change", () => { state.platform = at("platform").value; refresh(); });
  at("investor").addEventListener("change", () => { state.investor = at("investor").value; refresh(); });
  at("language").addEventListener("click", () => { state.language = state.language === "en" ? "zh" : "en"; wordsAgain(); refresh(); });
  at("theme").addEventListener("change", () => { document.documentElement.dataset.theme = at("theme").value; refresh(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  let width = window.innerWidth, waits = 0; // a phone turned on its side; its height changes with every bar that hides
  window.addEventListener("resize", () => {
    clearTimeout(waits);
    if (window.innerWidth !== width) waits = setTimeout(() => { width = window.innerWidth; refresh(); }, 150);
  });
  for (const one of document.querySelectorAll("[data-pick]")) {
    one.addEventListener("click", () => {
      const chosen = one.dataset.pick === "run" ? state.runs : state.scenarios;
      for (const row of at(`${one.dataset.pick}-list`).children) {
        if (row.hidden) continue; // only what the search shows
        const value = one.dataset.pick === "run" ? Number(row.firstChild.value) : row.firstChild.value;
        if (one.dataset.to === "1") chosen.add(value); else chosen.delete(value);
      }
      lists();
      refresh();
    });
  }
  refresh();
}
start();
