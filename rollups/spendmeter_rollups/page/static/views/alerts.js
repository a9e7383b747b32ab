// Alerts on spend that the guard sent, newest first.

import { get } from "../parts/api.js";
import { fill, h } from "../parts/dom.js";
import { exactMoney, instant, money, sentence } from "../parts/format.js";
import { empty, panel } from "../parts/panel.js";
import { drawPaged, name } from "../parts/table.js";
import { word } from "../topbar.js";
import { drawerLink } from "./dimension.js";

const MOST = 1000;
const WINDOWS = { "15m": "15 minutes", "1h": "1 hour", "6h": "6 hours", month_to_date: "this month" };

export const alerts = () => panel({ title: "Alerts", note: "sent by the spend guard; the period above does not apply", className: "table-panel",
  load: (ctx) => get("v1/alerts", new URLSearchParams([["limit", String(MOST)], ...(ctx.state.filters.org ?? []).map((org) => ["org", org])]), ctx.signal),
  draw: (body, { alerts: rows }, ctx) => {
    if (!rows.length) return fill(body, empty("No alerts.", "The spend guard has found no runaway spend and no budget near its limit."));
    return drawPaged(body, ctx, { caption: "Alerts", rows, columns: columns(ctx), sort: "-at", note: rows.length === MOST ? "older ones are in the API" : undefined });
  },
});

/** @returns {import("../parts/table.js").Column[]} */
const columns = (ctx) => [
  { key: "subject", label: "Of", text: true, value: subject, cell: (row) => [name(subject(row), link(ctx, row)), " ", h("small", null, word(ctx, row.scope))] },
  { key: "at", label: "Sent", text: true, value: (row) => row.at, cell: (row) => h("span", { title: `since ${instant(row.since, ctx.state.tz)}` }, instant(row.at, ctx.state.tz)) },
  { key: "severity", label: "Severity", text: true, value: (row) => row.severity, cell: (row) => h("span", { class: `badge ${row.severity === "critical" ? "error" : ""}` }, row.severity === "critical" ? "✕ Critical" : "⚠ Warning") },
  { key: "kind", label: "Reason", text: true, value: (row) => row.kind, cell: (row) => h("span", { title: row.summary }, sentence(row.kind)) },
  ...(ctx.session.org_id ? [] : [{ key: "org", label: word(ctx, "org"), text: true, value: (row) => row.org_name ?? row.org_id, cell: (row) => (row.org_id ? name(row.org_name ?? row.org_id) : "all") }]),
  { key: "spend", label: "Spent", strong: true, value: (row) => Number(row.spend_usd), cell: (row) => usd(row.spend_usd) },
  { key: "window", label: "In", text: true, fixed: true, value: (row) => WINDOWS[row.window] ?? row.window },
  { key: "limit", label: "Limit", value: (row) => Number(row.limit_usd), cell: (row) => usd(row.limit_usd) },
];

/** @param {string} amount */
const usd = (amount) => h("span", { title: exactMoney(amount, "USD") }, money(amount, "USD"));

/** The overview of what the alert is about: on this view, filters show nothing. The name of a section has its class, too. */
function overview(ctx, { scope, org_id: org, name: value }) {
  const orgs = org && !ctx.session.org_id ? { org: [org] } : {};
  if (scope === "section") return ctx.href({ tab: "sections", filters: orgs });
  if (scope === "org") return ctx.href({ tab: "overview", filters: orgs });
  const [key, ...rest] = value.split(":"), own = scope === "tag" ? { [`tag:${key}`]: [rest.join(":")] } : { [scope]: [value] };
  return ctx.href({ tab: "overview", filters: { ...orgs, ...own } });
}

const subject = (row) => row.user_name ?? (row.scope === "org" ? row.org_name : null) ?? row.name;

const link = (ctx, row) => (row.scope === "user" ? drawerLink(ctx, row.org_id, row.name) : overview(ctx, row));
