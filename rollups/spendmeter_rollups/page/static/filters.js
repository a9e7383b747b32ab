// The filter dialog: dimensions on the left, a search in the chosen one's values on the right. Applied on closing.

import { get } from "./parts/api.js";
import { fill, h } from "./parts/dom.js";
import { compact } from "./parts/format.js";
import { FILTERS, query } from "./parts/state.js";
import { word } from "./topbar.js";

const WAIT_MS = 150;

/** @param {any} ctx @param {string} [first] */
export function openFilters(ctx, first) {
  const names = FILTERS.filter((name) => !(name === "org" && ctx.session.org_id));
  /** @type {Record<string, Set<string>>} */
  const chosen = Object.fromEntries(names.map((name) => [name, new Set(ctx.state.filters[name] ?? [])]));
  let active = first ?? names[0], aborter = new AbortController(), timer = 0;
  const list = h("div", { class: "values", role: "group" });
  const search = h("input", { type: "search", placeholder: "Search…", "aria-label": "Search values", autocomplete: "off", oninput: () => {
    clearTimeout(timer);
    timer = (setTimeout(load, WAIT_MS));
  } });
  const sides = h("div", { class: "dimensions", role: "group", "aria-label": "Dimensions" });
  const dialog = h("dialog", { class: "filters", "aria-labelledby": "filters-title" },
    h("header", null, h("h2", { id: "filters-title" }, "Filters"), h("button", { type: "button", "aria-label": "Close without changes", onclick: () => dialog.close() }, "✕")),
    h("div", { class: "sides" }, sides, h("div", null, search, list)),
    h("footer", null, h("button", { type: "button", class: "link", onclick: () => { for (const set of Object.values(chosen)) set.clear(); draw(); load(); } }, "Clear all"),
      h("span", { class: "grow" }), h("button", { type: "button", class: "primary", onclick: apply }, "Apply")));

  function apply() {
    const filters = Object.fromEntries(Object.entries(chosen).filter(([, set]) => set.size).map(([name, set]) => [name, [...set]]));
    dialog.close();
    ctx.go({ filters });
  }

  function draw() {
    fill(sides, names.map((name) => h("button", { type: "button", "aria-pressed": String(name === active), onclick: () => { active = name; search.value = ""; draw(); load(); search.focus(); } },
      word(ctx, name), chosen[name].size ? h("span", { class: "count" }, chosen[name].size) : null)));
    list.setAttribute("aria-label", word(ctx, active, "many"));
  }

  async function load() {
    aborter.abort();
    aborter = new AbortController();
    const { signal } = aborter, name = active;
    try {
      // The other dimensions' filters apply, so that every value listed has usage.
      const params = query({ ...ctx.state, filters: Object.fromEntries(Object.entries(chosen).map(([key, set]) => [key, [...set]])) }, { [name]: [], q: search.value, limit: 50 });
      const answer = await get(`v1/filters/${name}`, params, signal);
      if (signal.aborted) return;
      const found = answer.values.filter((each) => !chosen[name].has(each.value));
      const known = new Map(answer.values.map((each) => [each.value, each]));
      const kept = [...chosen[name]].map((value) => known.get(value) ?? { value, name: null, requests: null });
      fill(list, [...kept, ...found].map((each) => option(name, each)), kept.length + found.length ? null : h("p", { class: "note" }, "No value matches."),
        answer.values.length === 50 ? h("p", { class: "note" }, "The first 50: search for others.") : null);
    } catch (error) {
      if (!signal.aborted) fill(list, h("p", { class: "bad", role: "alert" }, (error).message));
    }
  }

  /** @param {string} name @param {any} each */
  function option(name, each) {
    const box = h("input", { type: "checkbox", checked: chosen[name].has(each.value), onchange: () => {
      if (box.checked) chosen[name].add(each.value);
      else chosen[name].delete(each.value);
      draw();
    } });
    return h("label", { class: "value" }, box, h("span", { class: "name", title: each.value, dir: "auto" }, each.name ?? each.value ?? "", each.name ? h("small", null, ` ${each.value}`) : null, each.value === "" ? "(none)" : null),
      h("span", { class: "figure" }, each.requests === null ? "" : compact(each.requests)));
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === search) { event.preventDefault(); apply(); }
  });
  dialog.addEventListener("close", () => { aborter.abort(); dialog.remove(); });
  document.body.append(dialog);
  draw();
  dialog.showModal();
  search.focus();
  load();
}
