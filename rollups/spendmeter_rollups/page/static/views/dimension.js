// The breakdown of one dimension as a table.

import { get } from "../parts/api.js";
import { shareBar } from "../parts/charts.js";
import { figure, fill, spend, tally } from "../parts/dom.js";
import { bound, duration, instant, percent, sentence } from "../parts/format.js";
import { noUsage, panel } from "../parts/panel.js";
import { query } from "../parts/state.js";
import { drawPaged, name } from "../parts/table.js";
import { showFreshness, word } from "../topbar.js";

const MOST = 1000;
const SERVER_SORTS = ["cost", "requests", "errors", "total_tokens"];

/** @typedef {import("../parts/table.js").Column} Column */

/** @param {string} key @param {string} label @returns {Column} */
export const count = (key, label) => ({ key, label, value: (row) => row[key], cell: (row) => tally(row[key] ?? 0), total: (totals) => (totals[key] === undefined ? "" : tally(totals[key])) });

/** @param {string} code @returns {Column} */
export const cost = (code) => ({
  key: "cost", label: "Cost", strong: true, value: (row) => Number(row.cost),
  cell: (row) => spend(row.cost, code, bound(row)),
  total: (totals) => spend(totals.cost, code, bound(totals)),
});

/** @type {Column} */
const share = { key: "share", label: "Share of cost", fixed: true, value: (row) => row.share, cell: (row) => shareBar(row.share, percent(row.share)) };

/** @param {string} key @param {string} label @param {(row: any) => string} of @returns {Column} */
const column = (key, label, of) => ({ key, label, text: true, value: of, cell: (row) => (of(row) ? name(of(row)) : "-") });

/** @param {string} org @param {string} user */
export const drawerLink = (ctx, org, user) => ctx.href({ more: { drawer: `${org}/${user}` } });

/** Filter by all parts of a row's key: a section is one of a class of an org. @param {Record<string, string>} key */
export function filterLink(ctx, key) {
  const { key_source: source, ...parts } = key, filters = { ...ctx.state.filters };
  for (const [column, value] of Object.entries(parts)) {
    const dimension = column.startsWith("tag:") ? column : column.replace(/_(id|name)$/, "");
    if (dimension !== "org" || !ctx.session.org_id) filters[dimension] = [value];
  }
  return ctx.href({ filters, ...(source ? { source } : {}) });
}

/** The columns of a dimension. @param {string} dimension @param {string} code @returns {Column[]} */
function columns(dimension, ctx, code) {
  const value = (row) => row.key[dimension] ?? row.key[`${dimension}_id`] ?? row.key[`${dimension}_name`] ?? "";
  const title = word(ctx, dimension), org = column("org_id", word(ctx, "org"), (row) => row.user?.org_name ?? row.key.org_id ?? "");
  const orgs = ctx.session.org_id ? [] : [org];
  /** @type {Column} */
  const first = { key: dimension, label: title, text: true, value: (row) => row.name ?? value(row), cell: (row) => name(row.name ?? (value(row) || "(none)"), filterLink(ctx, row.key)) };
  const requests = count("requests", "Requests"), tokens = count("total_tokens", "Tokens"), prompt = count("prompt_tokens", "Prompt"), completion = count("completion_tokens", "Completion");
  const users = { ...count("users", word(ctx, "user", "many")), total: undefined }, amount = cost(code), failed = count("errors", "Errors");
  /** @type {Column} */
  const latency = { key: "avg_latency_ms", label: "Latency", value: (row) => row.avg_latency_ms, cell: (row) => duration(row.avg_latency_ms) };
  switch (dimension) {
    case "org": return [first, requests, tokens, prompt, completion, users, amount, share];
    case "role": return [first, users, requests, tokens, amount, share];
    case "class": return [...orgs, first, { ...users, label: "Students" }, requests, tokens, amount, share];
    case "section": return [...orgs, column("class_name", word(ctx, "class"), (row) => row.key.class_name), first, { ...users, label: "Students" }, requests, tokens, amount];
    case "feature": return [first, requests, tokens, prompt, completion, users, failed, amount, share];
    case "user": return [
      { ...first, cell: (row) => name(row.name ?? row.key.user_id, drawerLink(ctx, row.key.org_id, row.key.user_id)) },
      column("role", "Role", (row) => (row.user?.role ? sentence(row.user.role) : "")), ...orgs,
      column("class_name", word(ctx, "class"), (row) => [row.user?.class_name, row.user?.section].filter(Boolean).join(" ")),
      requests, tokens, amount, budgetColumn(),
      { key: "last_seen", label: "Last active", value: (row) => (row.last_seen ? Date.parse(row.last_seen) : null), cell: (row) => figure(instant(row.last_seen, ctx.state.tz).split(",")[0], instant(row.last_seen, ctx.state.tz)) },
    ];
    case "model": return [first, column("provider", "Provider", (row) => row.key.provider), requests, tokens, prompt, completion, latency, failed, amount, share];
    default: return [first, requests, tokens, latency, failed, amount, share];
  }
}

/** The user's own budget or the limit of each user, of the current month, whatever the period of the page. @returns {Column} */
function budgetColumn() {
  const month = new Date().toLocaleString("en", { month: "short" });
  return { key: "budget", label: `Budget (${month})`, value: (row) => row.budget?.used_share, cell: (row) => budgetBar(row.budget) };
}

export function budgetBar(budget) {
  if (!budget || budget.used_share === null) return "-";
  const used = budget.used_share;
  return shareBar(used, percent(used, 0), used > 1 ? "bad" : used > 0.8 ? "warn" : "");
}

/** @param {string} dimension @param {string} [title] */
export const dimensionTable = (dimension, title) => panel({
  title, className: "table-panel", load: (ctx) => askDimension(dimension, ctx), draw: (body, data, ctx) => showDimension(body, dimension, data, ctx),
});

/** @param {string} dimension */
export function askDimension(dimension, ctx) {
  const sort = (ctx.state.more.sort ?? "-cost").replace(/^-/, "");
  return get("v1/usage/breakdown", query(ctx.state, { group_by: dimension, limit: MOST, order_by: SERVER_SORTS.includes(sort) ? sort : "cost" }), ctx.signal);
}

/** @param {HTMLElement} body @param {string} dimension */
export function showDimension(body, dimension, answer, ctx) {
  showFreshness(answer, ctx);
  if (!answer.rows.length) return fill(body, noUsage(ctx, answer.freshness));
  return drawPaged(body, ctx, {
    caption: `Usage by ${word(ctx, dimension).toLowerCase()}`, columns: columns(dimension, ctx, answer.currency.code), rows: answer.rows, totals: answer.totals,
    note: answer.has_more ? "the export has all" : undefined,
  });
}
