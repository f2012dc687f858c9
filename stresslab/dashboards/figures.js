// The sections of the page, in their order: what each says of what is chosen, as picture and as table.
"use strict";
const place = () => state.platform || "ALL";
const titleOf = (id) => said(SCENARIOS.get(id));
const sum = (columns) => columns.reduce((whole, one) => whole.map((v, k) => v + one[k]), columns[0].map(() => 0));
const numbers = (...keys) => () => "(" + [...new Set(keys.flatMap((k) => (/^M-/.test(k) ? [k] : (DATA.formulas[k] || "").split(", "))))].filter(Boolean).join(", ") + ")";
const many = (all) => (all > CHARTED ? [t("too_many", { n: CHARTED, all })] : []);
const split = () => (state.investor ? [t("not_split")] : []);
const figure = (one, platform, key) => ((one.run.figures[one.id] || {})[platform] || {})[key];

function forced(one) {
  if (!state.investor) return figure(one, place(), "forced");
  return (((one.run.types || {})[one.id] || {})[place()] || {})[state.investor];
}

// One bar a case, longest names on the left; the whole list in the table.
function bars(shown, traces, title, more) {
  const width = (document.getElementById("sections").clientWidth || 600) / (narrow() || window.innerWidth < 860 ? 1 : 2);
  const names = shown.map((one) => label(one.name, narrow() ? 26 : 34));
  return {
    traces, height: 84 + Math.max(2, shown.length) * 30,
    layout: {
      ...more, margin: { l: margin(names, width), r: 14, t: 8, b: 42 }, bargap: 0.35, xaxis: axis(title, { rangemode: "tozero", automargin: false }),
      yaxis: axis("", {
        title: undefined, automargin: false, autorange: "reversed", tickmode: "array", tickvals: shown.map((_, k) => k), ticktext: names,
        gridcolor: "rgba(0,0,0,0)", zeroline: false,
      }),
    },
  };
}

function drawForced() {
  const all = cases().filter((one) => (forced(one) || [null])[0] !== null);
  const shown = all.slice(0, CHARTED);
  const runs = chosenRuns();
  const told = shown.map(forced);
  const within = (v) => Math.min(100, Math.max(0, v));
  const trace = {
    type: "bar", orientation: "h", y: shown.map((_, k) => k), x: told.map((f) => f[0]),
    marker: { color: shown.map((one) => hue(runs.indexOf(one.run))) },
    error_x: {
      type: "data", symmetric: false, color: colour("ink"), thickness: 1.4, width: 4,
      array: told.map((f) => (f[3] === null ? 0 : within(f[3]) - f[0])), arrayminus: told.map((f) => (f[2] === null ? 0 : f[0] - within(f[2]))),
    },
    text: shown.map((one, k) => `${plain(one.name)}<br>${percent(told[k][0])} [${percent(told[k][2])}, ${percent(told[k][3])}]`),
    textposition: "none", hovertemplate: "%{text}<extra></extra>",
  };
  return {
    ...bars(shown, shown.length ? [trace] : [], "%"), notes: [t("forced_note"), ...(state.investor ? [t("forced_kind")] : [])],
    warned: [...(state.investor && runs.some((run) => !run.types) ? [t("no_types")] : []), ...many(all.length)],
    table: () => [
      [t("run"), t("scenario"), t("forced"), t("forced_range")],
      all.map((one) => {
        const [low, high] = ["forced_low", "forced_high"].map((k) => (figure(one, place(), k) || [null])[0]);
        return [one.run.name, titleOf(one.id), estimate(forced(one), percent), state.investor ? NONE : `${percent(low)} – ${percent(high)}`];
      }), 2],
  };
}

function drawFigures() {
  const rows = cases().flatMap((one) => [...(state.platform ? [] : [["ALL", t("every_platform")]]), ...platformsOf(one.run).map((p) => [p.id, p.name])]
    .map(([id, name]) => [
      one.run.name, titleOf(one.id), name, ...["forced", "failure", "unpaid"].map((k) => estimate(figure(one, id, k), percent)),
      ...["deficit", "call", "sold"].map((k) => estimate(figure(one, id, k), yuan)), estimate(figure(one, id, "coverage"), percent)]));
  if (!rows.length) return {};
  const heads = [t("run"), t("scenario"), t("platform_head"), t("forced"), t("failure"), t("unpaid"), t("in_yuan", { of: t("deficit") }),
    t("in_yuan", { of: t("call") }), t("in_yuan", { of: t("sold") }), t("coverage")];
  return { notes: [t("given"), ...split()], free: [table(t("figures"), heads, rows, 3)] };
}

const GRADES = ["AAA", "AA", "A", "B"];
const badge = (grade) => el("span", { class: "grade g" + GRADES.indexOf(grade) }, grade || NONE);

function reasons(run, graded) {
  return chosenScenarios().filter((id) => graded.scenarios[id]).flatMap((id) => {
    const held = graded.scenarios[id];
    const spread = held.paths.filter((p) => p[1]).map(([grade, share, error, low, high]) =>
      el("li", {}, `${t("by_paths")}${t("colon")}${grade} ${percent(share)}${error ? " ± " + percent(error) : ""}${low === null ? "" : ` [${percent(low)}, ${percent(high)}]`}`));
    return [el("strong", {}, titleOf(id)), el("ul", {}, ...held.reasons.map((n) => el("li", {}, sentence(n))), ...spread)];
  });
}

function gradeRows(held) {
  const shown = chosenScenarios();
  const rows = held.map(({ run, platform }) => {
    const graded = run.grades[platform.id] || { scenarios: {} };
    return [run.name, platform.name, graded.grade ? badge(graded.grade) : t("not_rated"), num(graded.score, 1),
      ...shown.map((id) => (graded.scenarios[id] ? el("span", {}, badge(graded.scenarios[id].before), " → ", badge(graded.scenarios[id].after)) : NONE))];
  });
  return table(t("grades"), [t("run"), t("platform_head"), t("overall"), t("score"), ...shown.map(titleOf)], rows, 2);
}

function drawGrades() {
  const held = houses();
  if (held.length > CHARTED) return { notes: [t("fewer", { n: CHARTED }), ...split()], free: [gradeRows(held)] };
  const cards = held.map(({ run, platform }) => {
    const graded = run.grades[platform.id];
    if (!graded) return null;
    const marks = chosenScenarios().filter((id) => graded.scenarios[id]).map((id) => {
      const { before, after } = graded.scenarios[id];
      return el("div", { class: "row" }, badge(before), "→", badge(after), el("span", { class: "of" }, titleOf(id)));
    });
    const why = el("details", {}, el("summary", {}, t("reasons")));
    why.addEventListener("toggle", () => { if (why.open && why.children.length === 1) why.append(...reasons(run, graded)); });
    const decides = graded.decides && SCENARIOS.has(graded.decides) ? `${t("decides")}${t("colon")}${titleOf(graded.decides)}` : "";
    const silent = graded.silent === null ? null : el("p", { class: "note" }, sentence(graded.silent));
    return el("div", { class: "card" },
      el("h3", {}, platform.name), el("div", { class: "of" }, `${run.name} · ${run.title} · ${run.as_of}`),
      graded.grade ? el("div", { class: "row" }, badge(graded.grade), el("span", {}, `${t("overall")} ${num(graded.score, 1)}`), el("span", { class: "of" }, decides))
        : el("div", { class: "row" }, t("not_rated")), silent, ...marks, why);
  }).filter(Boolean);
  if (!cards.length) return {};
  const notes = [`${t("before")} → ${t("after")}`, ...(chosenRuns().some((r) => r.provisional) ? [t("provisional")] : []), ...split()];
  return { notes: [notes.join(state.language === "en" ? ". " : "；")], free: [el("div", { class: "cards" }, ...cards)] };
}

function bins(run, measure) {
  const held = platformsOf(run).map((p) => p.leverage[state.investor]).filter(Boolean);
  if (!held.length) return null;
  const values = sum(held.map((h) => (measure === "by_accounts" ? h.accounts : h.debt)));
  if (measure !== "by_share") return values;
  const whole = values.reduce((a, b) => a + b, 0);
  return values.map((v) => (whole ? (100 * v) / whole : 0));
}
const edgesOf = (run) => (run.platforms[0] || { edges: [] }).edges;
const binNames = (edges) => edges.slice(0, -1).map((e, k) => (edges[k + 1] === null ? `≥ ${e}` : `${e}–${edges[k + 1]}`));

function drawLeverage() {
  const measure = state.picks.measure;
  const all = chosenRuns().map((run) => ({ run, values: bins(run, measure) })).filter((one) => one.values);
  const shown = all.slice(0, CHARTED);
  const form = measure === "by_debt" ? yuan : measure === "by_share" ? percent : day;
  const missing = chosenRuns().some((run) => platformsOf(run).some((p) => !p.leverage[state.investor]));
  const [size, words] = measure === "by_debt" ? unit(shown.flatMap((one) => one.values)) : [1, t(measure)];
  const traces = shown.map(({ run, values }, k) => ({
    type: "bar", key: run.name, x: binNames(edgesOf(run)), y: values.map((v) => v / size), marker: { color: hue(k) },
    text: values.map((v) => `${plain(run.name)}: ${form(v)}`), textposition: "none", hovertemplate: "%{x}<br>%{text}<extra></extra>",
  }));
  return {
    traces, height: 330, notes: [t("book_date")], warned: [...(missing ? [t("no_leverage")] : []), ...many(all.length)],
    layout: {
      barmode: "group", xaxis: axis(t("leverage_axis"), { type: "category" }), yaxis: axis(words, { rangemode: "tozero" }),
    },
    table: () => [
      [t("run"), t("leverage_axis"), t("by_accounts"), t("by_debt"), t("by_share")],
      all.flatMap(({ run }) => {
        const columns = ["by_accounts", "by_debt", "by_share"].map((m) => bins(run, m));
        return binNames(edgesOf(run)).map((name, k) => [run.name, name, day(columns[0][k]), yuan(columns[1][k]), percent(columns[2][k])]);
      }), 2],
  };
}

const fanOf = (one) => (one.run.fan[one.id] || {})[state.picks.series];
const falls = (values) => [0, ...values.map((v) => (v === null ? null : v / 100))];
const days = (values) => Array.from({ length: values.length + 1 }, (_, k) => k);

function fanCases() {
  const rows = cases().map((one) => [one.key, `${one.run.name} · ${titleOf(one.id)}`]);
  if (rows.some(([key]) => key === state.picks.fan)) return rows;
  // The deepest of what is chosen, until somebody says otherwise.
  const depth = (one) => Math.max(0, ...((one.run.fan[one.id] || {}).factor || { q50: [0] }).q50);
  const deepest = cases().reduce((best, one) => (best === null || depth(one) > depth(best) ? one : best), null);
  if (deepest) state.picks.fan = deepest.key;
  return rows;
}

function band(held, low, high, name, alpha) {
  const edge = { type: "scatter", mode: "lines", line: { width: 0 }, hoverinfo: "skip", x: days(held[low]) };
  return [{ ...edge, y: falls(held[low]) }, { ...edge, y: falls(held[high]), key: name, fill: "tonexty", fillcolor: faint(hue(0), alpha) }];
}

function drawFan() {
  const all = cases().filter(fanOf);
  const chosen = all.find((one) => one.key === state.picks.fan);
  if (!chosen) return {};
  const held = fanOf(chosen);
  const others = all.filter((one) => one !== chosen).slice(0, (narrow() ? 5 : CHARTED) - 1);
  const dotted = (which) => ({
    type: "scatter", mode: "lines", x: days(held[which]), y: falls(held[which]), line: { color: hue(0), width: 1.2, dash: "dot" },
    key: which === "low" ? t("interval") : "", first: true, hoverinfo: "skip",
  });
  const line = (one, k) => ({
    type: "scatter", mode: "lines", key: one.name, x: days(fanOf(one).q50), y: falls(fanOf(one).q50),
    line: { color: hue(k), width: k ? 1.6 : 2.6, dash: dash(k) }, hovertemplate: `${label(one.name)}<br>${t("day")} %{x}: %{y:.1f}%<extra></extra>`,
  });
  const traces = [
    ...band(held, "q5", "q95", t("band_90"), 0.14), ...band(held, "q25", "q75", t("band_50"), 0.26), ...others.map((one, k) => line(one, k + 1)),
    { ...line(chosen, 0), first: true }, dotted("low"), dotted("high"), // on top of what it coincides with
  ];
  return {
    traces, height: 360, notes: [t("fan_note")],
    warned: all.length > others.length + 1 ? [t("too_many_lines", { n: others.length + 1, all: all.length })] : [],
    layout: { xaxis: axis(t("day")), yaxis: axis(t("drawdown_axis"), { autorange: "reversed", rangemode: "tozero" }) },
    table: () => [
      [t("day"), t("q5"), t("q25"), t("median"), t("interval"), t("q75"), t("q95")],
      held.q50.map((_, k) => {
        const [a, b, c, d, e, low, high] = ["q5", "q25", "q50", "q75", "q95", "low", "high"].map((q) => (held[q][k] === null ? null : held[q][k] / 100));
        return [String(k + 1), percent(a), percent(b), percent(c), `[${percent(low)}, ${percent(high)}]`, percent(d), percent(e)];
      }), 1],
  };
}

function drawSurvival() {
  const all = cases().flatMap((one) => platformsOf(one.run).map((p) => ({
    name: state.platform ? one.name : `${p.id} · ${one.name}`, platform: p, one, curve: (one.run.survival[one.id] || {})[p.id],
  }))).filter((x) => x.curve);
  // Those that lose most first: a chart of platforms that all stand says nothing.
  const ranked = [...all].sort((a, b) => a.curve[0][a.curve[0].length - 1] - b.curve[0][b.curve[0].length - 1]);
  const shown = ranked.slice(0, narrow() ? 6 : CHARTED);
  const traces = shown.map((x, k) => ({
    type: "scatter", mode: "lines", key: x.name, x: days(x.curve[0]), y: [100, ...x.curve[0]], line: { color: hue(k), width: 2, dash: dash(k), shape: "hv" },
    text: ["", ...x.curve[0].map((_, d) => `[${percent(x.curve[1][d])}, ${percent(x.curve[2][d])}]`)],
    hovertemplate: `${label(x.name)}<br>${t("day")} %{x}: %{y:.1f}% %{text}<extra></extra>`,
  }));
  return {
    traces, height: 340, notes: [t("survival_note"), ...split()],
    warned: all.length > shown.length ? [t("too_many", { n: shown.length, all: all.length })] : [],
    layout: { xaxis: axis(t("day")), yaxis: axis(t("survival_axis"), { range: [-2, 103] }) },
    table: () => [
      [t("run"), t("scenario"), t("platform_head"), t("day"), t("survival_axis")],
      ranked.map((x) => {
        const last = x.curve[0].length - 1;
        return [x.one.run.name, titleOf(x.one.id), x.platform.name, String(last + 1), estimate([x.curve[0][last], null, x.curve[1][last], x.curve[2][last]], percent)];
      }), 3],
  };
}

const LAYERS = ["reserve", "own", "junior", "senior", "claims"];
function drawLayers() {
  const all = cases().filter((one) => figure(one, place(), "deficit"));
  const shown = all.slice(0, CHARTED);
  const [size, words] = unit(shown.map((one) => figure(one, place(), "deficit")[0]));
  const traces = shown.length ? LAYERS.map((layer, k) => ({
    type: "bar", orientation: "h", key: t(layer), y: shown.map((_, at) => at), x: shown.map((one) => (figure(one, place(), layer) || [0])[0] / size),
    marker: { color: hue([0, 7, 4, 1, 6][k]) },
    text: shown.map((one) => `${plain(one.name)}<br>${t(layer)}: ${yuan((figure(one, place(), layer) || [null])[0])}`), textposition: "none",
    hovertemplate: "%{text}<extra></extra>",
  })) : [];
  return {
    ...bars(shown, traces, words, { barmode: "stack" }), notes: [t("layers_note"), ...split()],
    warned: many(all.length),
    table: () => [
      [t("run"), t("scenario"), t("deficit"), ...LAYERS.map((l) => t(l))],
      all.map((one) => [one.run.name, titleOf(one.id), ...["deficit", ...LAYERS].map((k) => estimate(figure(one, place(), k), yuan))]), 2],
  };
}

function drawConcentration() {
  const kind = state.picks.kind;
  const all = houses().map((x) => ({ ...x, held: x.platform.concentration[kind] })).filter((x) => x.held && x.held.top.length);
  const shown = all.slice(0, CHARTED);
  const traces = shown.map((x, k) => {
    let whole = 0;
    const reached = x.held.top.map(([, share]) => (whole += share || 0));
    return {
      type: "scatter", mode: "lines+markers", key: x.name, x: reached.map((_, n) => n + 1), y: reached, line: { color: hue(k), dash: dash(k) },
      text: x.held.top.map(([who, share]) => `${label(who)}: ${percent(share)}`), hovertemplate: `${label(x.name)}<br>%{text}<br>Σ %{y:.1f}%<extra></extra>`,
    };
  });
  return {
    traces, height: 350, notes: [t("book_date"), ...split()], warned: many(all.length),
    layout: { xaxis: axis(t("top_axis"), { dtick: 1 }), yaxis: axis(t("cumulative"), { rangemode: "tozero" }) },
    table: () => [
      [t("run"), t("platform_head"), t("who"), t("rank"), t("share"), t("hhi"), t("count")],
      all.flatMap((x) => x.held.top.map(([who, share], k) => [
        x.run.name, x.platform.name, who, String(k + 1), percent(share), k ? "" : num(x.held.hhi), k ? "" : day(x.held.count)])), 3],
  };
}

function drawLimits() {
  const all = houses().filter((x) => x.platform.liquidity.length);
  if (!all.length) return { hidden: true };
  const names = new Map(all.flatMap((x) => x.platform.liquidity.map((l) => [l.name, l])));
  const rows = all.map((x) => [x.run.name, x.platform.name, ...[...names.keys()].map((name) => {
    const one = x.platform.liquidity.find((l) => l.name === name);
    if (!one) return NONE;
    // A horizon longer than a year is not counted (M-120).
    const value = one.value === null ? (name === "survival_days" && one.light === "green" ? "> 365" : NONE) : num(Number(one.value), 1) + (/_pct$/.test(name) ? "%" : "");
    const lamp = el("span", { class: `lamp ${one.light || ""}` }, one.light ? t(one.light) : t("unknown"));
    return el("span", {}, lamp, " ", value, el("small", {}, t(one.side, one)));
  })]);
  return { notes: [t("book_date"), ...split()], free: [table(t("liquidity"), [t("run"), t("platform_head"), ...[...names.values()].map(said)], rows, 2)] };
}

function drawLadder() {
  const all = houses().filter((x) => x.platform.ladder);
  if (!all.length) return { hidden: true };
  const shown = all.slice(0, CHARTED);
  const [size, words] = unit(shown.flatMap((x) => x.platform.ladder.gap));
  const steps = (edges) => edges.map((e) => (e === null ? t("later") : t("up_to", { n: e })));
  const traces = shown.map((x, k) => ({
    type: "scatter", mode: "lines+markers", key: x.name, x: steps(x.platform.ladder.edges), y: x.platform.ladder.gap.map((v) => v / size), line: { color: hue(k), dash: dash(k) },
    text: x.platform.ladder.gap.map((v) => `${label(x.name)}: ${yuan(v)}`), hovertemplate: "%{x}<br>%{text}<extra></extra>",
  }));
  return {
    traces, height: 350, notes: [t("book_date"), ...split()], warned: many(all.length),
    layout: { xaxis: axis("", { type: "category", title: undefined }), yaxis: axis(words) },
    table: () => [[t("run"), t("platform_head"), ...steps(all[0].platform.ladder.edges)], all.map((x) => [x.run.name, x.platform.name, ...x.platform.ladder.gap.map(yuan)]), 2],
  };
}

const PAYS = ["cash", "pool", "line", "short"];
function drawRedemption() {
  const asked = Number(state.picks.redemption);
  const all = houses().map((x) => ({ ...x, held: x.platform.redemptions.find((r) => Number(r.share) === asked) })).filter((x) => x.held);
  if (!all.length) return { hidden: true };
  const shown = all.slice(0, CHARTED);
  const part = (x, key) => (x.held.need ? (100 * x.held[key]) / x.held.need : 0);
  const traces = PAYS.map((key, k) => ({
    type: "bar", orientation: "h", key: t(key), y: shown.map((_, n) => n), x: shown.map((x) => part(x, key)), marker: { color: hue([2, 0, 3, 6][k]) },
    text: shown.map((x) => `${plain(x.name)}<br>${t(key)}: ${yuan(x.held[key])} (${percent(part(x, key))})`), textposition: "none", hovertemplate: "%{text}<extra></extra>",
  }));
  return {
    ...bars(shown, traces, t("of_need"), { barmode: "stack" }), notes: [t("redemption", { n: asked }), t("book_date"), ...split()], warned: many(all.length),
    table: () => [
      [t("run"), t("platform_head"), ...["need", ...PAYS].map((k) => t(k))],
      all.map((x) => [x.run.name, x.platform.name, ...["need", ...PAYS].map((k) => yuan(x.held[k]))]), 2],
  };
}

function stateOf(model) {
  const last = model.spells[model.spells.length - 1];
  const lamp = el("span", { class: `lamp ${model.alarm ? "red" : "green"}` }, t(model.alarm ? "alarm" : "quiet"));
  return el("span", {}, lamp, model.grade ? " " + (WORDS["level_" + model.grade] ? t("level_" + model.grade) : model.grade) : "", model.alarm && last ? el("small", {}, t("since", { d: last[0] })) : null);
}

function modelRow(model) {
  const scores = ["auroc", "hit_rate", "false_alarm_rate", "events_warned", "lead_days"].map((key) => {
    const told = model.scores[key];
    const form = key === "auroc" ? (v) => num(v, 2) : key === "lead_days" ? day : (v) => percent(v === null ? null : 100 * v);
    return told ? estimate([told[0], null, told[1], told[2]], form) : NONE;
  });
  const name = said(model) + (model.naive ? ` (${t("naive")})` : "");
  return [name, stateOf(model), model.naive ? NONE : num(model.score), model.naive ? NONE : num(model.threshold),
    model.probability === null ? NONE : percent(100 * model.probability), ...scores];
}

function evenings(backtest) {
  const models = backtest.models.filter((m) => m.name !== "always" && m.name !== "never");
  const names = models.map((m) => label(said(m), narrow() ? 14 : 26));
  const traces = models.map((model, k) => {
    const x = [], y = [];
    for (const [from, to] of model.spells) { x.push(from, to, null); y.push(names[k], names[k], null); }
    return { type: "scatter", mode: "lines+markers", x: x.length ? x : [null], y: y.length ? y : [names[k]], showlegend: false,
      marker: { color: hue(k), size: 7, symbol: "square" }, line: { color: hue(k), width: 7 }, hovertemplate: "%{y}<br>%{x}<extra></extra>" };
  });
  const shapes = backtest.events.map(([from, to]) => ({
    type: "rect", xref: "x", yref: "paper", x0: from, x1: to, y0: 0, y1: 1, line: { width: 0 }, fillcolor: colour("bad"), opacity: 0.2, layer: "below" }));
  const width = document.getElementById("sections").clientWidth || 600;
  const layout = {
    shapes, margin: { l: margin(names, width), r: 10, t: 6, b: 34 }, xaxis: axis("", { type: "date", range: [backtest.from, backtest.to], title: undefined }),
    yaxis: axis("", { type: "category", categoryorder: "array", categoryarray: [...names].reverse(), title: undefined, automargin: false }),
  };
  const holder = el("div", { class: "plot" });
  return [holder, () => picture(holder, traces, layout, 80 + 30 * models.length, `${t("warning")}: ${backtest.name}. ${t("evenings")}`)];
}

// Nothing chosen among runs concerns backtests: they are drawn again only for another language, look or width.
const warnings = { as: "", holders: [] };
function drawWarning() {
  const as = [state.language, dark(), document.getElementById("sections").clientWidth].join(" ");
  if (as === warnings.as) return { same: true };
  warnings.as = as;
  warnings.holders.forEach((one) => Plotly.purge(one));
  warnings.holders = [];
  if (!DATA.backtests.length) return { free: [el("p", { class: "note" }, t("no_warning"))] };
  const heads = [t("model"), t("state"), t("score"), t("threshold"), t("probability"), t("auroc"), t("hit_rate"), t("false_alarm_rate"), t("events_warned"), t("lead_days")];
  const free = [], later = [];
  for (const one of DATA.backtests) {
    const [holder, draw] = evenings(one);
    const judged = `${t("window")}${t("colon")}${t(one.window)} · ${t("interval_at", { n: num(100 * (one.level || 0.95), 0) })}`;
    free.push(
      el("h3", {}, one.name), el("p", { class: "note" }, `${t("index")} ${one.index}, ${one.from} – ${one.to} · ${judged}`),
      table(`${t("warning")}: ${one.name}`, heads, one.models.map(modelRow), 1), el("p", { class: "note" }, t("evenings")), holder);
    later.push(draw);
    warnings.holders.push(holder);
  }
  return { free, after: () => later.forEach((draw) => draw()) }; // once the holders stand in the page and have a width
}

function drawAbout() {
  const rows = chosenRuns().map((r) => [r.name, r.title, r.as_of, r.market, day(r.accounts), day(r.paths), r.seed, t(r.sampling)]);
  if (!rows.length) return {};
  return { free: [table(t("about"), [t("run"), t("book"), t("as_of"), t("market"), t("accounts"), t("paths"), t("seed"), t("sampling")], rows, 4)] };
}

const choice = (key, ...values) => () => values.map((v) => [v, t(v)]);
function shares() {
  const found = new Set(DATA.runs.flatMap((r) => r.platforms.flatMap((p) => p.redemptions.map((x) => Number(x.share)))));
  return [...found].sort((a, b) => a - b).map((n) => [String(n), `${n}%`]);
}
// What is drawn first stands first.
const RUN_SECTIONS = [
  { id: "grades", word: "grades", wide: true, draw: drawGrades, formula: () => "(M-42, M-43, M-124, M-125)" },
  { id: "forced", word: "forced", draw: drawForced, formula: numbers("forced", "M-231") },
  { id: "drawdown", word: "drawdown", draw: drawFan, formula: () => "(M-230, M-39)",
    picks: [{ key: "fan", word: "fan_of", rows: fanCases }, { key: "series", word: "series", rows: choice("series", "factor", "basket") }] },
  { id: "figures", word: "figures", wide: true, draw: drawFigures, formula: numbers("forced", "failure", "unpaid", "deficit", "call", "sold", "coverage") },
  { id: "leverage", word: "leverage", draw: drawLeverage, formula: () => "(M-201)",
    picks: [{ key: "measure", word: "measure", rows: choice("measure", "by_share", "by_debt", "by_accounts") }] },
  { id: "concentration", word: "concentration", draw: drawConcentration, formula: () => "(M-119)",
    picks: [{ key: "kind", word: "kind", rows: choice("kind", "client", "funder", "instrument", "sector") }] },
  { id: "survival", word: "survival", draw: drawSurvival, formula: () => "(M-36, M-41)" },
  { id: "layers", word: "layers", draw: drawLayers, formula: numbers("reserve") },
  { id: "liquidity", word: "liquidity", wide: true, draw: drawLimits, formula: () => "(M-118, M-119, M-120, M-121)" },
  { id: "ladder", word: "ladder", draw: drawLadder, formula: () => "(M-120)" },
  { id: "redemption", word: "redemption_head", draw: drawRedemption, formula: () => "(M-118)", picks: [{ key: "redemption", word: "share", rows: shares }] },
];
const SECTIONS = [
  ...(DATA.runs.length ? RUN_SECTIONS : []),
  { id: "warning", word: "warning", wide: true, draw: drawWarning, formula: () => "(M-180, M-182, M-185)" },
  ...(DATA.runs.length ? [{ id: "about", word: "about", wide: true, draw: drawAbout }] : []),
];
