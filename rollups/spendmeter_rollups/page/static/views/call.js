// The price of one call: units times rates, the row of the price book behind each rate, and every adjustment since.

import { get } from "../parts/api.js";
import { urlDialog } from "../parts/dialog.js";
import { fill, h } from "../parts/dom.js";
import { duration, exactMoney, instant, sentence } from "../parts/format.js";
import { empty, facts, section } from "../parts/panel.js";
import { drawRows, name } from "../parts/table.js";
import { word } from "../topbar.js";

const MILLION = 1e6;

export const callDialog = urlDialog("call", "explain", {
  load: (_, subject, signal) => get(`v1/usage/events/${encodeURIComponent(subject)}`, undefined, signal),
  draw: (body, { call, estimate, adjustments, current_cost: cost }, ctx, heading) => {
    fill(heading, `${call.feature_name ?? sentence(call.feature)}: ${exactMoney(cost, "USD")}`);
    fill(body,
      arithmetic("Price when it occurred", estimate),
      adjustments.map((each) => arithmetic(`Repriced ${instant(each.at, ctx.state.tz)}: ${signed(each.difference)}`, each)),
      h("p", { class: "note" }, "All amounts are in USD. ", adjustments.length ? `The estimate and ${adjustments.length === 1 ? "its adjustment" : `${adjustments.length} adjustments`} make ${exactMoney(cost, "USD")}.` : "The call was not repriced."),
      section("Call", facts({
        Time: `${instant(call.occurred_at, ctx.state.tz)} (${ctx.state.tz})`, [word(ctx, "org")]: call.org_name || call.org_id, [word(ctx, "user")]: call.user_name || call.user_id,
        Action: call.action, Model: `${call.provider} / ${call.model}`, Tier: call.service_tier, Region: call.region, Keys: call.key_source === "byok" ? "own (BYOK)" : "platform",
        Status: sentence(call.error_type || call.status), Latency: duration(call.latency_ms),
        Tags: Object.entries(call.tags).map(([key, value]) => `${key}: ${value}`).join(", "), Id: call.event_id,
      })));
  },
});

/** @param {string} amount */
const signed = (amount) => (amount.startsWith("-") ? `−${exactMoney(amount.slice(1), "USD")}` : `+${exactMoney(amount, "USD")}`);

/** @param {string} title */
function arithmetic(title, priced) {
  const place = h("div");
  if (!priced.lines) fill(place, empty("The rates of this call are not stored.", `Its cost is ${exactMoney(priced.cost, "USD")}.`));
  else if (!priced.lines.length) fill(place, empty("No charge.", "The call has no units to charge."));
  else drawRows(place, title, priced.lines, LINES, { totals: priced });
  const missing = priced.unpriced_units.map(sentence).join(", ");
  return section(title, place,
    missing ? h("p", { class: "notice" }, `⚠ ${sentence(priced.pricing_status)}: no price for ${missing}.`) : null,
    priced.exact === false ? h("p", { class: "notice" }, "⚠ The lines do not add up to the stored cost.") : null,
    priced.price_version ? h("p", { class: "note" }, `Price book ${priced.price_version}`) : null);
}

/** A rate in USD; one that is too small to read, per million units. @param {any} line @param {boolean} [named] whether to write `million` */
export function rate(line, named = true) {
  if (line.rate_usd === null) return "no price";
  const many = /tokens$|^characters$/.test(line.unit) && !line.rate_usd.includes("/");
  const shown = many ? `${Number((Number(line.rate_usd) * MILLION).toPrecision(12))}${named ? " / million" : ""}` : line.rate_usd;
  return h("span", { title: `USD ${line.rate_usd} each` }, shown);
}

function origin({ origin: row, ...line }) {
  const notes = [
    line.replaced_by.length ? `charged as ${line.replaced_by.map(sentence).join(", ")}` : "", line.place_certain ? "" : "rate of another place", line.excludes_fee ? "without the provider's fee" : "",
    row?.factors.length ? `${row.listed_usd} × ${row.factor}` : "", row?.min_context ? `prompts from ${row.min_context} tokens` : "", row?.negotiated ? "negotiated" : "",
    row?.from ? `since ${row.from.slice(0, 10)}` : "", row?.verified_at ? `compared ${row.verified_at}` : "",
  ].filter(Boolean).join(", ");
  const link = row && /^https:\/\//.test(row.source);
  return [row ? link ? h("a", { class: "name", href: row.source, title: row.source, target: "_blank", rel: "noopener noreferrer" }, row.row) : name(row.row) : "-", h("br"), h("small", { class: "message", title: notes }, notes)];
}

/** @type {import("../parts/table.js").Column[]} */
const LINES = [
  { key: "unit", label: "Unit", text: true, value: (line) => sentence(line.unit) },
  { key: "billed", label: "Billed", value: (line) => line.billed, cell: (line) => h("span", { title: line.billed === line.counted ? null : `counted: ${line.counted}` }, grouped(line.billed)) },
  { key: "rate", label: "× Rate", value: rate, cell: rate },
  { key: "cost", label: "= Cost", strong: true, value: (line) => line.cost, cell: (line) => (line.cost === null ? "—" : line.cost), total: (priced) => priced.cost },
  { key: "origin", label: "Row of the price book", text: true, value: () => "", cell: origin },
];

/** @param {string} count */
const grouped = (count) => exactMoney(count, "").trim();
