// One user: identity, cost by feature, trend and recent calls, in the page's period and zone.

import { get } from "./parts/api.js";
import { amounts, bar, begun, drawChart, shareBar } from "./parts/charts.js";
import { urlDialog } from "./parts/dialog.js";
import { fill, h, spend, tally } from "./parts/dom.js";
import { atLeast, bound, bucketLabel, counted, money, percent, sentence } from "./parts/format.js";
import { empty, facts, NO_DATA, section, tile } from "./parts/panel.js";
import { query } from "./parts/state.js";
import { drawRows, name } from "./parts/table.js";
import { callTable } from "./views/log.js";
import { word } from "./topbar.js";

const PAGE = 10;

/** The org and the user of a subject: an org has no slash. @param {string} subject */
function parts(subject) {
  const [org, ...rest] = subject.split("/");
  return { org, user: rest.join("/") };
}

export const userDrawer = urlDialog("drawer", "drawer", {
  load: (ctx, subject, signal) => {
    const { org, user } = parts(subject);
    return get(`v1/usage/users/${user.split("/").map(encodeURIComponent).join("/")}`, query(ctx.state, { org: [org], user: [], recent: 0 }), signal);
  },
  draw: (body, answer, ctx, heading, signal) => {
    const { org, user } = parts(ctx.state.more.drawer);
    fill(heading, answer.user.name ?? answer.user.user_id);
    draw(body, answer, ctx);
    return calls(body, ctx, query(ctx.state, { org: [org], user: [user], page_size: PAGE }), [""], signal);
  },
});

/** @param {HTMLElement} body */
function draw(body, answer, ctx) {
  const { user, totals } = answer, code = answer.currency.code;
  const features = h("div"), trend = h("div"), total = Number(totals.cost);
  fill(body,
    h("p", { class: "note" }, "For the period and filters of the page, except its user filter."),
    section("Identity", facts({
      Email: user.email, Role: user.role && sentence(user.role), [word(ctx, "org")]: user.org_name ?? user.org_id,
      [word(ctx, "class")]: user.class_name, [word(ctx, "section")]: user.section, Id: user.user_id,
    })),
    h("dl", { class: "large" }, tile("Cost", spend(totals.cost, code, bound(totals))), tile("Requests", tally(totals.requests)), tile("Tokens", tally(totals.total_tokens))),
    section("Daily trend", trend), section("Cost by feature", features), section("Recent calls", h("div", { class: "calls" })));
  if (!totals.requests) {
    fill(trend, empty(NO_DATA));
    fill(features, empty(NO_DATA));
    return;
  }
  const daily = begun(answer.daily, answer), labels = daily.map((point) => bucketLabel(point.start, "day")), costs = daily.map((point) => Number(point.cost));
  drawChart(trend, { labels, noLegend: true, height: 160, caption: `${atLeast(totals, code)} in ${counted(labels.length, "day")}.`, series: [
    { name: "Cost", color: "accent", values: costs, shown: (value) => money(value, code), trace: bar }],
  layout: { xaxis: { nticks: 6 }, yaxis: { nticks: 4, ...amounts(costs, code) } } });
  drawRows(features, "Cost by feature", answer.features, [
    { key: "feature", label: "Feature", text: true, value: (each) => each.feature, cell: (each) => name(each.name ?? each.feature) },
    { key: "requests", label: "Requests", value: (each) => each.requests, cell: (each) => tally(each.requests) },
    { key: "cost", label: "Cost", strong: true, value: (each) => each.cost, cell: (each) => spend(each.cost, code, bound(each)) },
    { key: "share", label: "Share", value: (each) => each.cost, cell: (each) => shareBar(total ? Number(each.cost) / total : 0, percent(total ? Number(each.cost) / total : null)) },
  ]);
}

/** The user's calls, ten a page. @param {HTMLElement} body @param {URLSearchParams} base @param {string[]} cursors @param {AbortSignal} signal */
async function calls(body, ctx, base, cursors, signal) {
  const place = (body.querySelector(".calls")), params = new URLSearchParams(base);
  if (cursors.at(-1)) params.set("cursor", (cursors.at(-1)));
  const answer = await get("v1/usage/events", params, signal);
  if (signal.aborted) return;
  if (!answer.rows.length) return fill(place, empty(NO_DATA));
  callTable(place, "Recent calls", answer, ctx, { brief: true, cursors, size: PAGE, turn: (next) => calls(body, ctx, base, next, signal) });
}
