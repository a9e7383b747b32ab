// The overview: cost of the period, its change, and the projection of the month.

import { get } from "./parts/api.js";
import { amounts, bar, begun, drawChart, plain, seriesColors, shareBar } from "./parts/charts.js";
import { fill, h, spend, tally } from "./parts/dom.js";
import { atLeast, bound, bucketLabel, changeText, compact, counted, duration, money, percent } from "./parts/format.js";
import { noUsage, panel, tile as card } from "./parts/panel.js";
import { query } from "./parts/state.js";
import { name } from "./parts/table.js";
import { showFreshness, word } from "./topbar.js";
import { drawerLink, filterLink } from "./views/dimension.js";

const TOP = 5;
const SERIES = 7;

export function overview(first) {
  const cards = panel({ className: "cards", load: loadCards, draw: drawCards });
  const trend = panel({ title: "Trend", className: "wide-panel", load: loadTrend, draw: drawTrend });
  const features = stacked("feature", "Cost by feature");
  const dimensions = first.session.org_id ? ["user", "model"] : ["org", "user", "model"];
  const lists = dimensions.map((dimension) => topList(dimension, first));
  const grid = h("div", { class: "grid" }, trend.box, features.map((each) => each.box), h("div", { class: `lists lists-${lists.length}` }, lists.map((each) => each.box)));
  const panels = [cards, trend, ...features, ...lists];
  return { nodes: [cards.box, grid], refresh: (ctx) => panels.forEach((each) => each.refresh(ctx)) };
}

async function loadCards(ctx) {
  const { state, signal } = ctx;
  const [summary, projection, budgets, active, cache] = await Promise.all([
    get("v1/usage/summary", query(state), signal),
    get("v1/usage/projection", query(state), signal),
    get("v1/budgets", new URLSearchParams([["scope", "org"], ["limit", "1000"], ...(state.filters.org ?? []).map((org) => ["org", org])]), signal),
    get("v1/usage/breakdown/user", query(state, { order_by: "requests", limit: 2 }), signal),
    get("v1/usage/cache", query(state, { granularity: "month" }), signal),
  ]);
  return { summary, projection, cache: cache.totals, budgets: budgets.budgets, active: active.rows.find((row) => row.key.user_id !== "system") };
}

/** @param {HTMLElement} body */
function drawCards(body, { summary, projection, cache, budgets, active }, ctx) {
  showFreshness(summary, ctx);
  const { totals, change } = summary, code = summary.currency.code;
  if (!totals.requests) return fill(body, noUsage(ctx, summary.freshness));
  const unpriced = totals.unpriced_requests + totals.partial_requests;
  const before = summary.previous ? `on ${atLeast(summary.previous, code)}` : "";
  const small = [
    card("Prompt tokens", tally(totals.prompt_tokens), `${compact(totals.completion_tokens)} completion`),
    card(word(ctx, "user", "many"), tally(totals.users), changed(change?.users, "more")),
    card("Latency, average", duration(totals.avg_latency_ms), `p95 ${duration(totals.p95_latency_ms)}`),
    card("Cache hit rate", percent(cache.hit_rate), cache.hit_rate === null ? "no cached prompts" : `${money(cache.savings, code)} saved`),
    card("Most active", active ? name(active.name ?? active.key.user_id, drawerLink(ctx, active.key.org_id, active.key.user_id)) : "-", active ? counted(active.requests, "request", compact(active.requests)) : ""),
  ];
  const large = [
    card("Cost", spend(totals.cost, code, bound(totals)), [changed(change?.cost, "cost"), h("span", { class: "before" }, before)]),
    projectionCard(projection),
    budgetCard(budgets, code),
    card("Requests", tally(totals.requests), changed(change?.requests, "more")),
    card("Tokens", tally(totals.total_tokens), changed(change?.total_tokens, "more")),
    card("Success rate", percent(totals.success_rate, 2), [totals.errors ? `${counted(totals.errors, "error", compact(totals.errors))} ` : "no errors ", changed(change?.success_rate, "good")]),
  ];
  const warning = unpriced ? h("p", { class: "notice" }, `⚠ ${counted(unpriced, "call")} without a complete price: the cost is a lower bound. `, h("a", { href: ctx.href({ tab: "models" }) }, "Show the models")) : null;
  fill(body, warning, h("dl", { class: "large" }, large), h("dl", { class: "small" }, small));
}

/** Change from the previous window: glyph and sign, never colour alone. @param {number | null | undefined} change @param {"cost" | "more" | "good"} kind */
function changed(change, kind) {
  const text = changeText(change);
  if (!text) return null;
  const tone = text === "0 %" ? "" : kind === "good" ? ((change ?? 0) < 0 ? "bad" : "good") : kind === "cost" && (change ?? 0) > 0.2 ? "warn" : "";
  return h("span", { class: `change ${tone}`, title: "compared with the equal period before" }, text);
}

function projectionCard(projection) {
  const code = projection.currency.code, at = new Date(`${projection.month}-01T00:00:00Z`).toLocaleString("en", { month: "short", timeZone: "UTC" });
  if (projection.status !== "ok") return card(`Projection, ${at}`, "Not enough data", `${projection.points} of 7 days in this period`, "words");
  return card(`Projection, ${at}`, spend(projection.projected, code), `80 %: ${rough(projection.lower, code)} – ${rough(projection.upper, code)}`);
}

/** An interval needs no cents. @param {string} amount @param {string} code */
const rough = (amount, code) => (Number(amount) >= 100 ? money(Math.round(Number(amount)), code).replace(/\.00$/, "") : money(amount, code));

/** @param {any[]} budgets @param {string} code */
function budgetCard(budgets, code) {
  const usable = budgets.filter((each) => each.spent !== null && each.currency), codes = new Set(usable.map((each) => each.currency.code));
  if (!usable.length) return card("Budget, this month", "None set", h("a", { href: "?tab=budgets" }, "Set one"), "words");
  const used = Math.max(...usable.map((each) => each.used_share));
  const spent = usable.reduce((sum, each) => sum + Number(each.spent), 0), amount = usable.reduce((sum, each) => sum + Number(each.amount), 0);
  const one = codes.size === 1, share = one ? spent / amount : used, unit = one ? [...codes][0] : code;
  return card("Budget, this month", percent(share, 0), [shareBar(share, "", share > 1 ? "bad" : share > 0.8 ? "warn" : ""), one ? `${money(spent, unit)} of ${money(amount, unit)}` : `the most used of ${usable.length}`]);
}

async function loadTrend(ctx) {
  const { state, signal } = ctx;
  const [series, projection, summary] = await Promise.all([
    get("v1/usage/timeseries", query(state, { granularity: state.granularity }), signal),
    get("v1/usage/projection", query(state), signal),
    get("v1/usage/summary", query(state), signal),
  ]);
  const before = summary.previous_window, previous = before && summary.previous?.requests
    ? await get("v1/usage/timeseries", query(state, { preset: [], from: before.from, to: before.to, granularity: series.granularity }), signal) : null;
  return { series, projection, summary, previous };
}

/** @param {HTMLElement} body */
function drawTrend(body, { series, projection, summary, previous }, ctx, box) {
  const points = begun(series.series[0].points, series), step = series.granularity, code = series.currency.code;
  if (!points.some((point) => point.requests)) return fill(body, noUsage(ctx, series.freshness));
  const labels = points.map((point) => bucketLabel(point.start, step));
  const costs = points.map((point) => Number(point.cost));
  const running = Date.parse(series.window.to) >= Date.parse(series.freshness.as_of) - 1000 && points.length > 1;
  const cash = (amount) => money(amount, code);
  const ahead = running && step === "day" && projection.status === "ok" ? projection.days.slice(1) : [];
  const days = ahead.map((day) => bucketLabel(day.date, "day"));
  const last = points.length - (running ? 2 : 1);
  const line = (ink, more) => ({ type: "scatter", mode: "lines", line: { color: ink, width: 2 }, hoverlabel: { namelength: -1 }, ...more });
  const old = previous?.series[0].points.slice(0, points.length) ?? [];
  const all = [...labels, ...days];
  const pad = (values) => [...values, ...days.map(() => null)];
  /** @type {any[]} */
  const list = [
    { name: "Tokens", color: "other", values: pad(points.map((point) => point.total_tokens)), shown: compact,
      trace: (ink) => ({ type: "scatter", mode: "none", fill: "tozeroy", fillcolor: `${ink}33`, x: labels, y: points.map((point) => point.total_tokens), yaxis: "y2" }) },
    old.length ? { name: "Previous period", color: "muted", dash: "dot", values: pad(old.map((point) => Number(point.cost))), shown: cash,
      trace: (ink) => line(ink, { x: labels.slice(0, old.length), y: old.map((point) => Number(point.cost)), line: { color: ink, width: 1.5, dash: "dot" }, customdata: old.map((point) => `${cash(point.cost)} (${bucketLabel(point.start, step)})`) }) } : null,
    { name: "Cost", color: "accent", values: pad(costs), shown: cash,
      trace: (ink) => line(ink, { x: labels.slice(0, last + 1), y: costs.slice(0, last + 1), line: { color: ink, width: 2.5 } }) },
    running ? { name: "So far", noLegend: true, color: "accent", values: [], shown: cash,
      trace: (ink) => line(ink, { mode: "lines+markers", x: labels.slice(last), y: costs.slice(last), line: { color: ink, width: 2, dash: "dot" }, marker: { size: [0, 7], color: ink, symbol: "circle-open" }, customdata: ["", cash(costs[last + 1])] }) } : null,
    ...(ahead.length ? projected(ahead, days, labels[last], costs[last], points.length, line, cash) : []),
    { name: "Calls", color: "series-4", values: pad(points.map((point) => point.requests)), shown: compact,
      trace: (ink) => ({ type: "bar", yaxis: "y3", marker: { color: ink, opacity: 0.75 } }) },
  ].filter(Boolean);
  const peak = costs.indexOf(Math.max(...costs)), change = changeText(summary.change?.cost);
  box.note(`per ${step}${running ? " · the last point is not complete" : ""}`);
  drawChart(body, { labels: all, series: list, height: 320,
    caption: `${atLeast(summary.totals, code)} in this period${change ? `, ${change} on the period before` : ""}; peak ${cash(costs[peak])} on ${labels[peak]}.`,
    layout: {
      xaxis: { categoryorder: "array", categoryarray: all, anchor: "y3" },
      yaxis: { domain: [0.24, 1], ...amounts(costs, code) },
      yaxis2: { overlaying: "y", side: "right", showgrid: false, tickmode: "auto", tickformat: ".2~s", nticks: 4, title: { text: innerWidth < 600 ? "" : "tokens", standoff: 4 }, showticklabels: innerWidth >= 600 },
      yaxis3: { domain: [0, 0.16], nticks: 2, tickformat: "~s", showgrid: false },
    } });
}

/** Dashed fit to the month's end, with its 80 % band. @param {any[]} ahead @param {string[]} days @param {string} from @param {number} start @param {number} offset */
function projected(ahead, days, from, start, offset, line, cash) {
  const x = [from, ...days], costs = [start, ...ahead.map((day) => Number(day.cost))];
  const edge = (field) => [start, ...ahead.map((day) => Math.max(0, Number(day[field])))];
  const blank = Array(offset).fill(null);
  const band = "lower" in ahead[0] ? [
    { name: "Lower", noLegend: true, color: "accent", values: [...blank, ...edge("lower").slice(1)], shown: cash, trace: () => line("rgba(0,0,0,0)", { x, y: edge("lower"), hoverinfo: "skip", line: { width: 0 } }) },
    { name: "Upper", noLegend: true, color: "accent", values: [...blank, ...edge("upper").slice(1)], shown: cash, trace: (ink) => line("rgba(0,0,0,0)", { x, y: edge("upper"), fill: "tonexty", fillcolor: `${ink}29`, hoverinfo: "skip", line: { width: 0 } }) },
  ] : [];
  return [...band, { name: "Projection", color: "accent", dash: "dash", values: [...blank, ...costs.slice(1)], shown: cash,
    trace: (ink) => line(ink, { x, y: costs, line: { color: ink, width: 2, dash: "dash" }, customdata: costs.map((cost, at) => at && band.length ? `${cash(cost)} (80 %: ${cash(ahead[at - 1].lower)} – ${cash(ahead[at - 1].upper)})` : cash(cost)) }) }];
}

const idOf = (each) => (each.other ? "other" : Object.values(each.key).join(" / ") || "(none)");

/** The series with their labels: the name, with the id where several have it. @param {any[]} series */
function named(series) {
  const names = series.map((each) => each.name ?? idOf(each));
  return series.map((each, at) => ({ ...each, label: names.filter((other) => other === names[at]).length > 1 && each.name ? `${names[at]} (${idOf(each)})` : names[at] }));
}

/** Cost of a dimension over time, stacked, beside its shares. @param {string} dimension @param {string} title */
export function stacked(dimension, title) {
  const load = async (ctx) => {
    const [data, summary] = await Promise.all([
      get("v1/usage/timeseries", query(ctx.state, { group_by: dimension, limit: SERIES, granularity: ctx.state.granularity }), ctx.signal),
      get("v1/usage/summary", query(ctx.state), ctx.signal),
    ]);
    return { ...data, mark: bound(summary.totals), series: named(data.series).map((each) => ({ ...each, points: begun(each.points, data) })) };
  };
  const inks = (data) => {
    const found = seriesColors(dimension, data.series.filter((each) => !each.other).map(idOf));
    return (each) => (each.other ? "other" : found.get(idOf(each)));
  };
  const over = panel({ title, className: "two-thirds", load, draw: (body, data, ctx, box) => {
    const series = data.series.filter((each) => each.points.some((point) => point.requests));
    if (!series.length) return fill(body, noUsage(ctx, data.freshness));
    const ink = inks(data), labels = series[0].points.map((point) => bucketLabel(point.start, data.granularity));
    box.note(`per ${data.granularity}${series.some((each) => each.other) ? `, the ${SERIES} costliest and the rest` : ""}`);
    return drawChart(body, { labels, caption: `${series[0].label} costs most.`, series: series.map((each) => {
      const values = each.points.map((point) => Number(point.cost));
      return { name: each.label, color: ink(each), values, shown: (value) => money(value, data.currency.code), trace: bar };
    }), layout: { barmode: "stack", yaxis: amounts(labels.map((_, at) => series.reduce((sum, each) => sum + Number(each.points[at].cost), 0)), data.currency.code) } });
  } });
  const shares = panel({ title: "Share", className: "third", load, draw: (body, data, ctx) => {
    const sums = data.series.map((each) => ({ each, cost: each.points.reduce((sum, point) => sum + Number(point.cost), 0) })).filter((one) => one.cost > 0);
    const total = sums.reduce((sum, one) => sum + one.cost, 0);
    if (!total) return fill(body, noUsage(ctx, data.freshness));
    const ink = inks(data), code = data.currency.code, whole = data.mark + money(total, code, data.mark ? 2 : 0), names = sums.map((one) => one.each.label), values = sums.map((one) => one.cost);
    return drawChart(body, { labels: names, noLegend: true, caption: `${names[0]}: ${percent(values[0] / total)} of ${whole}.`, series: [{ name: "Cost", color: "accent", values, shown: (value) => `${money(value, code)} (${percent(value / total)})`,
      trace: (_, pick) => ({ type: "pie", hole: 0.62, sort: false, direction: "clockwise", labels: names.map(plain), values, marker: { colors: sums.map((one) => pick(ink(one.each))), line: { color: pick("card"), width: 2 } }, textinfo: "percent", textposition: "inside", customdata: values.map((value) => money(value, code)), hovertemplate: "%{label}<br>%{customdata} (%{percent})<extra></extra>" }) }],
    layout: { hovermode: "closest", uniformtext: { minsize: 11, mode: "hide" }, annotations: [{ text: plain(whole), showarrow: false, font: { size: 18, weight: 600 } }] } });
  } });
  return [over, shares];
}

/** @param {string} dimension */
function topList(dimension, first) {
  const title = `Top ${word(first, dimension, "many").toLowerCase()}`, tab = `${dimension}s`;
  return panel({ title, tools: h("a", { href: `?tab=${tab}` }, "All →"), load: (ctx) => get(`v1/usage/breakdown/${dimension}`, query(ctx.state, { limit: TOP }), ctx.signal), draw: (body, data, ctx) => {
    body.closest("section")?.querySelector(".tools a")?.setAttribute("href", ctx.href({ tab }));
    if (!data.rows.length) return fill(body, noUsage(ctx, data.freshness));
    const most = Number(data.rows[0].cost) || 1, code = data.currency.code;
    return fill(body, h("ol", { class: "top" }, data.rows.map((row) => {
      const value = row.key[`${dimension}_id`] ?? row.key[dimension], text = row.name ?? value;
      const href = dimension === "user" ? drawerLink(ctx, row.key.org_id, value) : filterLink(ctx, row.key);
      return h("li", null, h("span", { class: "back", "aria-hidden": "true", style: { width: `${(Number(row.cost) / most) * 100}%` } }), name(text, href),
        h("span", { class: "figure strong" }, spend(row.cost, code, bound(row))), h("span", { class: "figure share" }, percent(row.share)));
    })));
  } });
}
