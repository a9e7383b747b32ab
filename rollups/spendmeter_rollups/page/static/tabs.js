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
import { budgets } from "./views/budgets.js";

/** @param {...any} panels */
const page = (...panels) => ({
  nodes: [h("div", { class: "grid" }, panels.map((each) => each.box))],
  refresh: (ctx) => panels.forEach((each) => each.refresh(ctx)),
});

/** @param {string} dimension @param {string} [title] */
const breakdown = (dimension, title) => ({ view: () => page(dimensionTable(dimension, title)), csv: { view: dimension } });

/** @type {[string, Record<string, any>][]} */
const GROUPS = [
  ["", { overview: { view: overview, csv: { view: "timeseries", extra: (ctx) => ({ granularity: ctx.state.granularity }) } } }],
  ["Who", {
    orgs: { word: "org", ...breakdown("org"), platform: true }, roles: breakdown("role"),
    classes: { word: "class", ...breakdown("class") }, sections: { word: "section", ...breakdown("section") },
    users: { word: "user", ...breakdown("user") },
  }],
  ["What", {
    features: { view: () => page(...stacked("feature", "Cost by feature"), dimensionTable("feature")), csv: { view: "feature" } },
    actions: { view: () => page(...stacked("action", "Cost by action"), dimensionTable("action")), csv: { view: "action" } },
    models: { view: () => page(...modelCharts(), dimensionTable("model")), csv: { view: "model" } },
    providers: { label: "Providers and services", view: () => page(dimensionTable("provider", "Providers"), dimensionTable("service", "Services")), csv: { view: "provider" } },
    agents: { label: "Agents and tasks", view: () => page(agents(), dimensionTable("task", "Tasks"), dimensionTable("configuration", "Configurations")), csv: { view: "agent" } },
  }],
  ["How", {
    errors: { view: () => page(...errors()), csv: { view: "error_type" } },
    cache: { label: "Cache and BYOK", view: () => page(...cache()), csv: { view: "key_source" } },
    heatmap: { view: () => page(heatmap()) },
    log: { view: () => page(log()), csv: { view: "events", extra: (ctx) => ({ status: ctx.state.more.status ?? "" }) } },
  }],
  ["Money", { budgets: { view: () => page(budgets()) } }],
];

/** @param {any} session @returns {[string, any[]][]} */
function tabsOf(session) {
  return GROUPS.map(([group, tabs]) => [group, Object.entries(tabs).filter(([, tab]) => !(tab.platform && session.org_id)).map(([id, tab]) => ({
    id, ...tab, label: () => tab.label ?? (tab.word ? session.words[tab.word].many : sentence(id)),
  }))]);
}

/** The view of the URL; the overview for a view that is unknown or not for this caller. @param {string} id @param {any} session */
export function findTab(id, session) {
  const all = tabsOf(session).flatMap(([, tabs]) => tabs);
  return all.find((tab) => tab.id === id) ?? all[0];
}

/** @param {HTMLElement} node @param {any} ctx @param {any} current */
export function drawTabs(node, ctx, current) {
  fill(node, tabsOf(ctx.session).map(([group, tabs]) => [group ? h("h2", null, group) : null, h("ul", null, tabs.map((tab) =>
    h("li", null, h("a", { href: ctx.href({ tab: tab.id }), "aria-current": tab.id === current.id ? "page" : null }, tab.label()))))]));
  const chosen = (node.querySelector("[aria-current]"));
  if (chosen && node.scrollWidth > node.clientWidth) node.scrollLeft = chosen.offsetLeft - 80;
}
