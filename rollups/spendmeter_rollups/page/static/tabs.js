// The catalogue of views, in the order of the navigation.

import { fill, h } from "./parts/dom.js";
import { sentence } from "./parts/format.js";
import { overview, stacked } from "./overview.js";
import { dimensionTable } from "./views/dimension.js";
import { agents, modelCharts } from "./views/models.js";
import { errors } from "./views/errors.js";
import { cache } from "./views/cache.js";
import { heatmap } from "./views/heatmap.js";
import { log } from "./views/log.js";
import { tags } from "./views/tags.js";
import { alerts } from "./views/alerts.js";
import { budgets } from "./views/budgets.js";
import { prices } from "./views/prices.js";

/** @param {...any} panels */
const page = (...panels) => ({
  nodes: [h("div", { class: "grid" }, panels.map((each) => each.box))],
  refresh: (ctx) => panels.forEach((each) => each.refresh(ctx)),
});

/** @param {string} dimension @param {string} [title] */
const breakdown = (dimension, title) => ({ view: () => page(dimensionTable(dimension, title)), csv: dimension });

/** @type {[string, Record<string, any>][]} */
const GROUPS = [
  ["", { overview: { view: overview, csv: "timeseries" } }],
  ["Who", {
    orgs: { word: "org", ...breakdown("org"), platform: true }, roles: breakdown("role"),
    classes: { word: "class", ...breakdown("class") }, sections: { word: "section", ...breakdown("section") },
    users: { word: "user", ...breakdown("user") },
  }],
  ["What", {
    features: { view: () => page(...stacked("feature", "Cost by feature"), dimensionTable("feature")), csv: "feature" },
    actions: { view: () => page(...stacked("action", "Cost by action"), dimensionTable("action")), csv: "action" },
    models: { view: () => page(...modelCharts(), dimensionTable("model")), csv: "model" },
    providers: { label: "Providers and services", view: () => page(dimensionTable("provider", "Providers"), dimensionTable("service", "Services")), csv: "provider" },
    agents: { label: "Agents and tasks", view: () => page(agents(), dimensionTable("task", "Tasks"), dimensionTable("configuration", "Configurations")), csv: "agent" },
    tags: { view: () => page(tags()) },
  }],
  ["How", {
    errors: { view: () => page(...errors()), csv: "error_type" },
    cache: { label: "Cache and BYOK", view: () => page(...cache()), csv: "key_source" },
    heatmap: { view: () => page(heatmap()) },
    log: { view: () => page(log()), csv: "events" },
  }],
  ["Money", { budgets: { view: () => page(budgets()) }, prices: { view: () => page(prices()) }, alerts: { view: () => page(alerts()) } }],
];

/** @returns {[string, any[]][]} */
function tabsOf(session) {
  return GROUPS.map(([group, tabs]) => [group, Object.entries(tabs).filter(([, tab]) => !(tab.platform && session.org_id)).map(([id, tab]) => ({
    id, ...tab, label: () => tab.label ?? (tab.word ? session.words[tab.word].many : sentence(id)),
  }))]);
}

/** The view of the URL; the overview for a view that is unknown or not for this caller. @param {string} id */
export function findTab(id, session) {
  const all = tabsOf(session).flatMap(([, tabs]) => tabs);
  return all.find((tab) => tab.id === id) ?? all[0];
}

/** @param {HTMLElement} node */
export function drawTabs(node, ctx, current) {
  fill(node, tabsOf(ctx.session).map(([group, tabs]) => [group ? h("h2", null, group) : null, h("ul", null, tabs.map((tab) =>
    h("li", null, h("a", { href: ctx.href({ tab: tab.id }), "aria-current": tab.id === current.id ? "page" : null }, tab.label()))))]));
  /** @type {HTMLElement | null} */
  const chosen = node.querySelector("[aria-current]");
  if (chosen && node.scrollWidth > node.clientWidth) node.scrollLeft = chosen.offsetLeft - 80;
}
