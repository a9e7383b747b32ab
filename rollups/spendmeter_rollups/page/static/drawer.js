// One user: identity, cost by feature, trend and recent calls, in the page's period and zone.

import { get } from "./parts/api.js";
import { amounts, drawChart, purge, shareBar } from "./parts/charts.js";
import { figure, fill, h } from "./parts/dom.js";
import { bucketLabel, compact, exactMoney, money, percent, sentence, whole } from "./parts/format.js";
import { empty } from "./parts/panel.js";
import { query } from "./parts/state.js";
import { drawTable, name } from "./parts/table.js";
import { callColumns } from "./views/log.js";
import { word } from "./topbar.js";

const PAGE = 10;
/** @type {any} */
let dialog = null;
let shown = "";
let controller = new AbortController();
let closing = false;

/** Close without touching the URL. */
export function closeDrawer() {
  controller.abort();
  shown = "";
  if (!dialog?.open) return;
  closing = true;
  dialog.close();
  closing = false;
}

/** Show the user of the URL, or none. @param {any} ctx */
export function showDrawer(ctx) {
  const subject = ctx.state.more.drawer ?? "";
  if (!subject.includes("/")) return closeDrawer();
  const address = `${subject} ${query(ctx.state)}`;
  if (address === shown) return;
  shown = address;
  controller.abort();
  controller = new AbortController();
  const [org, ...rest] = subject.split("/"), user = rest.join("/"), { signal } = controller;
  dialog ??= h("dialog", { class: "drawer", "aria-labelledby": "drawer-title" });
  if (!dialog.isConnected) document.body.append(dialog);
  const title = h("h2", { id: "drawer-title", tabindex: "-1", dir: "auto" }, user), body = h("div", { "aria-busy": "true" });
  // Another user: the former one's figures go before the request starts.
  purge(dialog);
  fill(dialog, h("header", null, title, h("button", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "✕")), body);
  dialog.onclose = () => {
    controller.abort();
    shown = "";
    if (!closing) ctx.go({ more: { ...ctx.state.more, drawer: "" } });
  };
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  if (!dialog.open) dialog.showModal();
  title.focus();
  load(body, title, ctx, org, user, signal);
}

/** @param {HTMLElement} body @param {HTMLElement} title @param {any} ctx @param {string} org @param {string} user @param {AbortSignal} signal */
async function load(body, title, ctx, org, user, signal) {
  const waiting = setTimeout(() => fill(body, h("div", { class: "spinner", role: "status" }, h("span", { class: "hidden" }, "Loading"))), 200);
  const asked = (more) => query(ctx.state, { org: [org], user: [], ...more });
  try {
    const answer = await get(`v1/usage/users/${user.split("/").map(encodeURIComponent).join("/")}`, asked({ recent: 0 }), signal);
    if (signal.aborted) return;
    clearTimeout(waiting);
    fill(title, answer.user.name ?? answer.user.user_id);
    draw(body, answer, ctx);
    await calls(body, ctx, query(ctx.state, { org: [org], user: [user], page_size: PAGE }), [""], signal);
  } catch (error) {
    if (!signal.aborted) fill(body, h("div", { class: "failure", role: "alert" }, h("p", null, h("strong", null, "✕ Not shown. "), (error).message),
      h("button", { type: "button", onclick: () => load(body, title, ctx, org, user, signal) }, "Retry")));
  } finally {
    clearTimeout(waiting);
    if (!signal.aborted) body.removeAttribute("aria-busy");
  }
}

/** @param {HTMLElement} body @param {any} answer @param {any} ctx */
function draw(body, answer, ctx) {
  const { user, totals } = answer, code = answer.currency.code;
  const row = (label, value) => [h("dt", null, label), h("dd", { dir: "auto" }, value || "-")];
  const card = (label, value) => h("div", { class: "card" }, h("dt", null, label), h("dd", { class: "value" }, value));
  const features = h("div"), trend = h("div");
  fill(body,
    h("p", { class: "note" }, "In the page's period and filters, except for its user filter."),
    h("section", { class: "panel", "aria-label": "Identity" }, h("dl", { class: "identity" }, row("Email", user.email), row("Role", user.role && sentence(user.role)), row(word(ctx, "org"), user.org_name ?? user.org_id), row(word(ctx, "class"), user.class_name), row(word(ctx, "section"), user.section), row("Id", user.user_id))),
    h("dl", { class: "large" }, card("Cost", figure(money(totals.cost, code), exactMoney(totals.cost, code))), card("Requests", figure(compact(totals.requests), whole(totals.requests))), card("Tokens", figure(compact(totals.total_tokens), whole(totals.total_tokens)))),
    h("section", { class: "panel", "aria-label": "Daily trend" }, h("header", null, h("h2", null, "Daily trend")), trend),
    h("section", { class: "panel", "aria-label": "Cost by feature" }, h("header", null, h("h2", null, "Cost by feature")), features),
    h("section", { class: "panel", id: "calls", "aria-label": "Recent calls" }, h("header", null, h("h2", null, "Recent calls")), h("div")));
  if (!totals.requests) {
    fill(trend, empty("No data for this period."));
    fill(features, empty("No data for this period."));
    return;
  }
  const labels = answer.daily.map((point) => bucketLabel(point.start, "day")), costs = answer.daily.map((point) => Number(point.cost));
  drawChart(trend, { labels, noLegend: true, height: 160, caption: `${money(totals.cost, code)} in ${labels.length} days.`, series: [{ name: "Cost", color: "accent", values: costs, shown: (value) => money(value, code),
    trace: (ink) => ({ type: "bar", x: labels, y: costs, name: "Cost", marker: { color: ink }, customdata: costs.map((value) => money(value, code)), hovertemplate: "%{customdata}" }) }],
  layout: { xaxis: { type: "category", nticks: 6, tickangle: 0 }, yaxis: { nticks: 4, ...amounts(costs, code) } } });
  const total = Number(totals.cost);
  drawTable(features, { caption: "Cost by feature", rows: answer.features, sort: "", page: 1, size: 100, change: () => {}, columns: [
    { key: "feature", label: "Feature", text: true, fixed: true, value: (each) => each.feature, cell: (each) => name(each.feature) },
    { key: "requests", label: "Requests", fixed: true, value: (each) => each.requests, cell: (each) => figure(compact(each.requests), whole(each.requests)) },
    { key: "cost", label: "Cost", fixed: true, strong: true, value: (each) => each.cost, cell: (each) => figure(money(each.cost, code), exactMoney(each.cost, code)) },
    { key: "share", label: "Share", fixed: true, value: (each) => each.cost, cell: (each) => shareBar(total ? Number(each.cost) / total : 0, percent(total ? Number(each.cost) / total : null)) },
  ] });
}

/** The user's calls, ten a page. @param {HTMLElement} body @param {any} ctx @param {URLSearchParams} asked @param {string[]} cursors @param {AbortSignal} signal */
async function calls(body, ctx, asked, cursors, signal) {
  const place = (body.querySelector("#calls > div")), params = new URLSearchParams(asked);
  if (cursors.at(-1)) params.set("cursor", (cursors.at(-1)));
  const answer = await get("v1/usage/events", params, signal);
  if (signal.aborted) return;
  if (!answer.rows.length) return fill(place, empty("No data for this period."));
  const first = (cursors.length - 1) * PAGE, turn = (next) => calls(body, ctx, asked, next, signal);
  drawTable(place, { caption: "Recent calls", rows: answer.rows, sort: "", page: 1, size: PAGE, change: () => {}, columns: callColumns(ctx, answer.currency.code, true),
    pager: h("nav", { class: "pager", "aria-label": "Pages of recent calls" }, h("span", null, `${first + 1}–${first + answer.rows.length}`),
      h("button", { type: "button", disabled: cursors.length === 1, onclick: () => turn(cursors.slice(0, -1)) }, "‹ Newer"),
      h("button", { type: "button", disabled: !answer.next_cursor, onclick: () => turn([...cursors, answer.next_cursor]) }, "Older ›")) });
}
