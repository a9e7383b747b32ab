// The prices of the calls in the period: one row per rates of a model, tier and region.

import { get } from "../parts/api.js";
import { fill, h, tally } from "../parts/dom.js";
import { moment, sentence, whole } from "../parts/format.js";
import { noUsage, panel } from "../parts/panel.js";
import { query } from "../parts/state.js";
import { drawPaged, name } from "../parts/table.js";
import { rate } from "./call.js";

const MOST = 500;
/** Units with a column of their own; the others share one. */
const UNITS = { input_tokens: "Input", cache_read_tokens: "Cached input", output_tokens: "Output" };

export const prices = () => panel({ title: "Prices", note: "USD, of the calls in the period; per million tokens", className: "table-panel",
  load: (ctx) => get("v1/prices", query(ctx.state, { limit: MOST }), ctx.signal),
  draw: (body, data, ctx) => {
    if (!data.rows.length) return fill(body, noUsage(ctx, data.freshness));
    return drawPaged(body, ctx, { caption: "Prices", rows: data.rows, columns: COLUMNS, sort: "-calls", note: data.has_more ? "choose a provider or a shorter period for others" : undefined });
  },
});

const unit = (row, key) => row.rates?.find((each) => each.unit === key);

/** @type {import("../parts/table.js").Column[]} */
const COLUMNS = [
  { key: "model", label: "Model", text: true, value: (row) => row.model, cell: (row) => [name(row.model), " ", h("small", null, [row.service_tier === "standard" ? "" : row.service_tier, row.region, ...conditions(row), row.repriced ? "repriced" : ""].filter(Boolean).join(", "))] },
  { key: "provider", label: "Provider", text: true, value: (row) => row.provider },
  ...Object.entries(UNITS).map(([key, label]) => ({ key, label, value: (row) => { const found = unit(row, key); return found ? amount(found.rate_usd) : null; }, cell: (row) => { const found = unit(row, key); return found ? rate(found, false) : "-"; } })),
  { key: "calls", label: "Calls", value: (row) => row.calls, cell: (row) => tally(row.calls) },
  { key: "last_use", label: "Last call", value: (row) => Date.parse(row.last_use), cell: (row) => moment(row.last_use) },
  { key: "others", label: "Other units", text: true, fixed: true, value: others },
  { key: "source", label: "Source", text: true, fixed: true, value: source, cell: source },
];

/** Why a model has several rows: the hours, the length of prompts and the contract of its rates. @returns {string[]} */
const conditions = (row) => [...new Set((row.rates ?? []).flatMap(({ origin: { daily_window: hours, min_context: least, negotiated } }) => [hours.replace(/ UTC.*/, " UTC"), least ? `prompts from ${whole(least)} tokens` : "", negotiated ? "negotiated" : ""]))];

/** A rate is a decimal or a fraction. @param {string} text */
const amount = (text) => text.split("/").map(Number).reduce((left, right) => left / right);

/** Units charged apart: most image and audio tokens have the rate of text. */
function others(row) {
  const own = new Set(["0", ...(row.rates ?? []).filter((each) => each.unit in UNITS).map((each) => each.rate_usd)]);
  const rest = (row.rates ?? []).filter((each) => !own.has(each.rate_usd));
  return rest.length ? h("small", { class: "message", title: rest.map((each) => sentence(each.unit)).join(", ") }, rest.map((each, at) => [at ? ", " : "", `${sentence(each.unit)} `, rate(each)])) : "-";
}

/** The rows of the price book, once each, or the origin of a reported cost. */
function source(row) {
  if (row.reported) return h("span", { class: "name", title: row.reported }, "cost reported by the provider");
  if (!row.rates?.length) return h("span", null, row.statuses.includes("unpriced") ? "⚠ no price" : "-");
  const rows = new Map(row.rates.map(({ origin }) => [origin.row, origin])), [first] = rows.values();
  const title = [...rows.values()].map((each) => `${each.row}${each.verified_at ? `, compared ${each.verified_at}` : ""}`).join("\n");
  const link = /^https:\/\//.test(first.source), more = rows.size > 1 ? ` + ${rows.size - 1}` : "";
  return [link ? h("a", { class: "name", href: first.source, title, target: "_blank", rel: "noopener noreferrer" }, first.row) : h("span", { class: "name", title }, first.row), more];
}
