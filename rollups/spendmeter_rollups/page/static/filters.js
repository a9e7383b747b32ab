// The filter dialog: dimensions and tags on the left, a search in the chosen one's values on the right. Applied on closing.

import { get } from "./parts/api.js";
import { openModal } from "./parts/dialog.js";
import { fill, h } from "./parts/dom.js";
import { compact } from "./parts/format.js";
import { FILTERS, filtersSet, query } from "./parts/state.js";
import { word } from "./topbar.js";

const WAIT_MS = 150;
const SHOWN = 50;
const TAGS = 100;
/** A class or a section of many orgs is one value. */
const MOST = 500;

/** @param {string} [first] */
export function openFilters(ctx, first) {
  /** @type {Record<string, Set<string>>} */
  const chosen = Object.fromEntries(Object.entries(ctx.state.filters).map(([name, values]) => [name, new Set(values)]));
  let names = [...new Set([...FILTERS.filter((name) => !(name === "org" && ctx.session.org_id)), ...filtersSet(ctx.state.filters)])];
  let active = first ?? names[0], aborter = new AbortController(), timer = 0;
  const list = h("div", { class: "values", role: "group" });
  const search = h("input", { type: "search", placeholder: "Search…", "aria-label": "Search values", autocomplete: "off", oninput: () => {
    clearTimeout(timer);
    timer = (setTimeout(load, WAIT_MS));
  } });
  const sides = h("div", { class: "dimensions", role: "group", "aria-label": "Dimensions" });
  const setOf = (name) => (chosen[name] ??= new Set());
  const filters = () => Object.fromEntries(Object.entries(chosen).filter(([, set]) => set.size).map(([name, set]) => [name, [...set]]));
  const { dialog } = openModal("filters", "Filters",
    h("div", { class: "sides" }, sides, h("div", null, search, list)),
    h("footer", null, h("button", { class: "link", onclick: () => { for (const set of Object.values(chosen)) set.clear(); draw(); load(); } }, "Clear all"),
      h("span", { class: "grow" }), h("button", { class: "primary", onclick: apply }, "Apply")));

  function apply() {
    dialog.close();
    ctx.go({ filters: filters() });
  }

  function draw() {
    const tag = names.findIndex((name) => name.startsWith("tag:"));
    fill(sides, names.map((name, at) => [at === tag ? h("h3", null, "Tags") : null, h("button", { title: word(ctx, name), "aria-pressed": String(name === active), onclick: () => { active = name; search.value = ""; draw(); load(); search.focus(); } },
      h("span", { class: "name" }, word(ctx, name)), setOf(name).size ? h("span", { class: "count" }, setOf(name).size) : null)]));
    list.setAttribute("aria-label", word(ctx, active, "many"));
  }

  async function load() {
    aborter.abort();
    aborter = new AbortController();
    const { signal } = aborter, name = active;
    try {
      // The filters of the other dimensions apply, so that every listed value has usage.
      const { [name]: own, ...others } = filters();
      const answer = await get(`v1/filters/${encodeURIComponent(name)}`, query({ ...ctx.state, filters: others }, { q: search.value, limit: MOST }), signal);
      if (signal.aborted) return;
      const known = new Map();
      for (const each of answer.values) known.set(each.value, { ...each, requests: each.requests + (known.get(each.value)?.requests ?? 0) });
      const kept = (own ?? []).map((value) => known.get(value) ?? { value, name: null, requests: null });
      const found = [...known.values()].filter((each) => !setOf(name).has(each.value)).sort((a, b) => b.requests - a.requests), more = found.length - SHOWN;
      fill(list, [...kept, ...found.slice(0, SHOWN)].map((each) => option(name, each)), kept.length + found.length ? null : h("p", { class: "note" }, "No value matches."),
        more > 0 ? h("p", { class: "note" }, `Only the first ${SHOWN} are shown. Search for others.`) : null);
    } catch (error) {
      if (!signal.aborted) fill(list, h("p", { class: "bad", role: "alert" }, error.message));
    }
  }

  /** Add the tags that the period has to the list of dimensions. */
  async function loadTags() {
    try {
      const answer = await get("v1/filters/tag", query({ ...ctx.state, filters: {} }, { limit: TAGS }));
      names = [...new Set([...names, ...answer.values.map((each) => `tag:${each.value}`)])];
      draw();
    } catch { /* without them, the dimensions remain */ }
  }

  /** @param {string} name */
  function option(name, each) {
    const box = h("input", { type: "checkbox", checked: setOf(name).has(each.value), onchange: () => {
      setOf(name)[box.checked ? "add" : "delete"](each.value);
      draw();
    } });
    return h("label", { class: "value" }, box, h("span", { class: "name", title: each.value, dir: "auto" }, each.name ?? (each.value || "(none)"), each.name ? h("small", null, ` ${each.value}`) : null),
      h("span", { class: "figure" }, each.requests === null ? "" : compact(each.requests)));
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === search) { event.preventDefault(); apply(); }
  });
  dialog.addEventListener("close", () => aborter.abort());
  draw();
  search.focus();
  load();
  loadTags();
}
