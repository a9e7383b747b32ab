// The call log, newest first, paged by cursor: new rows do not shift later pages.

import { get } from "../parts/api.js";
import { announce, figure, fill, h, spend } from "../parts/dom.js";
import { compact, duration, moment, sentence, whole } from "../parts/format.js";
import { noUsage, panel } from "../parts/panel.js";
import { query } from "../parts/state.js";
import { drawTable, name, SIZES } from "../parts/table.js";
import { word } from "../topbar.js";
import { drawerLink, filterLink } from "./dimension.js";

const STATUSES = ["", "ok", "error", "cancelled"];
/** Columns by which the service sorts. */
const SORTS = ["occurred_at", "feature", "model", "cost", "latency_ms", "status"];
/** Significant digits of a cost below 1: most calls cost less than a cent. */
const DIGITS = 4;
const NEWEST = "-occurred_at";

/** The order of the address, or newest first. */
const sortOf = ({ sort = NEWEST }) => (SORTS.includes(sort.replace(/^-/, "")) ? sort : NEWEST);

export function log() {
  /** @type {string[]} */
  let cursors = [""];
  let parameters = "";
  const box = panel({ title: "Calls", className: "table-panel", load: (ctx) => {
    const size = SIZES.includes(Number(ctx.state.more.size)) ? Number(ctx.state.more.size) : 25;
    const sort = sortOf(ctx.state.more), params = query(ctx.state, { page_size: size, order_by: sort.replace(/^-/, ""), order: sort.startsWith("-") ? "desc" : "asc" });
    // Other parameters start at the first page: a cursor is valid for its own parameters only.
    if (String(params) !== parameters) {
      parameters = String(params);
      cursors = [""];
    }
    const cursor = cursors.at(-1);
    if (cursor) params.set("cursor", cursor);
    return get("v1/usage/events", params, ctx.signal);
  }, draw: (body, data, ctx) => {
    const size = Number(ctx.state.more.size) || SIZES[0], { status: chosen = [], ...filters } = ctx.state.filters;
    const status = h("label", null, "Status ", h("select", { onchange: (event) => ctx.go({ filters: event.target.value ? { ...filters, status: [event.target.value] } : filters }) },
      chosen.length > 1 ? h("option", { value: "", selected: true }, "Several") : null, STATUSES.map((each) => h("option", { value: each, selected: chosen.length < 2 && each === (chosen[0] ?? "") }, each ? sentence(each) : "All"))));
    const sizes = h("label", null, "Rows ", h("select", { onchange: (event) => ctx.go({ more: { size: event.target.value } }, { replace: true }) }, SIZES.map((each) => h("option", { value: each, selected: each === size }, each))));
    if (!data.rows.length) return fill(body, noUsage(ctx, data.freshness), h("nav", { class: "pager" }, h("span"), status));
    return callTable(body, "Calls", data, ctx, { cursors, size, tools: [status, sizes], turn: (next) => { cursors = next; box.refresh(ctx).then(() => announce(`Page ${cursors.length}`)); } });
  } });
  return box;
}

/**
 * A page of calls, each of which opens its price.
 * @param {HTMLElement} body @param {string} caption @param {any} data the API's answer @param {any} ctx
 * @param {{ cursors: string[], size: number, turn: (cursors: string[]) => void, brief?: boolean, tools?: any }} options
 */
export function callTable(body, caption, data, ctx, { cursors, size, turn, brief = false, tools }) {
  const first = (cursors.length - 1) * size, sort = brief ? NEWEST : sortOf(ctx.state.more), newest = sort === NEWEST;
  const columns = callColumns(ctx, data.currency.code, brief).map((each) => ({ ...each, fixed: brief || !SORTS.includes(each.key) }));
  drawTable(body, { caption, columns, rows: data.rows, sort: brief ? "" : sort, sorted: true, page: 1, size, change: (change) => ctx.go({ more: change }, { replace: true }), onRow: (row) => ctx.go({ more: { call: row.event_id } }), pager: h("nav", { class: "pager", "aria-label": `Pages of ${caption.toLowerCase()}` },
    h("span", null, `${whole(first + 1)}–${whole(first + data.rows.length)}${!brief && newest ? ", newest first" : ""}`), tools,
    h("button", { disabled: cursors.length === 1, onclick: () => turn(cursors.slice(0, -1)) }, newest ? "‹ Newer" : "‹ Previous"),
    h("button", { disabled: !data.next_cursor, onclick: () => turn([...cursors, data.next_cursor]) }, newest ? "Older ›" : "Next ›")) });
}

/** The user of a call, and for platform keys the org. @returns {any[]} */
export const callers = (ctx) => [
  { key: "user", label: word(ctx, "user"), text: true, value: (row) => row.user_name ?? row.user_id, cell: (row) => (row.user_id === "system" ? "system" : name(row.user_name ?? row.user_id, drawerLink(ctx, row.org_id, row.user_id))) },
  ...(ctx.session.org_id ? [] : [{ key: "org", label: word(ctx, "org"), text: true, value: (row) => row.org_name ?? row.org_id, cell: (row) => name(row.org_name ?? row.org_id, filterLink(ctx, { org_id: row.org_id })) }]),
];

function price(row, code) {
  if (row.pricing_status === "unpriced") return h("span", { title: "no price: show why" }, "—");
  if (row.pricing_status === "free") return h("span", { title: "no charge" }, "free");
  return spend(row.cost, code, row.pricing_status === "partial" ? "≥ " : "", DIGITS);
}

/** @param {string} code @param {boolean} brief without the user, in their own drawer @returns {import("../parts/table.js").Column[]} */
function callColumns(ctx, code, brief) {
  /** @type {any[]} */
  const columns = [
    { key: "occurred_at", label: "Time", text: true, value: (row) => row.occurred_at, cell: (row) => moment(row.occurred_at) },
    ...(brief ? [] : callers(ctx)),
    { key: "feature", label: "Feature", text: true, value: (row) => row.feature, cell: (row) => name(row.feature_name ?? row.feature) },
    { key: "model", label: "Model", text: true, value: (row) => row.model, cell: (row) => h("span", { class: "name", title: `${row.provider} / ${row.model}` }, row.model) },
    { key: "tokens", label: "Tokens", value: () => 0, cell: tokens },
    { key: "cost", label: "Cost", strong: true, value: (row) => row.cost, cell: (row) => h("a", { href: ctx.href({ more: { call: row.event_id, ...(brief ? { drawer: ctx.state.more.drawer } : {}) } }) }, price(row, code)) },
    brief ? null : { key: "latency_ms", label: "Latency", value: (row) => row.latency_ms, cell: (row) => duration(row.latency_ms) },
    { key: "status", label: "Status", text: true, value: (row) => row.status, cell: (row) => h("span", { class: `badge ${row.status}`, title: row.error_message || null }, row.status === "error" ? `✕ ${sentence(row.error_type || "error")}` : sentence(row.status)) },
  ];
  return columns.filter(Boolean);
}

function tokens(row) {
  // By name: a bucket that is added to the catalogue counts here too. Reasoning is part of the output.
  const sum = (kind) => Object.entries(row).reduce((total, [field, count]) => (kind.test(field) ? total + count : total), 0);
  const prompt = sum(/^(input|cache)_.*tokens$/), completion = sum(/^output_.*tokens$/), other = [[row.characters, "characters"], [Number(row.audio_seconds), "s of audio"], [row.images, "images"], [row.video_seconds, "s of video"]].filter(([count]) => count);
  const text = [`prompt ${whole(prompt)} (${whole(sum(/^cache_read_.*tokens$/))} from cache)`, `completion ${whole(completion)}`, ...other.map(([count, unit]) => `${count} ${unit}`)].join(", ");
  return figure(prompt + completion ? compact(prompt + completion) : other.map(([count, unit]) => `${compact(Number(count))} ${unit}`).join(", ") || "0", text);
}
