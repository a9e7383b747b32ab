// The header, the filter bar and the chips.

import { send } from "./parts/api.js";
import { fill, h } from "./parts/dom.js";
import { ago, instant, sentence } from "./parts/format.js";
import { filtersSet, GRANULARITIES, PRESETS, zoneName } from "./parts/state.js";
import { openFilters } from "./filters.js";
import { exportButton } from "./export.js";

const STALE_SECONDS = 900;
const THEMES = ["auto", "light", "dark"];

/** @param {HTMLElement} node @param {() => void} signedOut */
export function drawHeader(node, ctx, signedOut) {
  if (!node.firstChild) {
    const theme = h("select", { "aria-label": "Theme", onchange: (event) => setTheme(event.target.value) },
      THEMES.map((each) => h("option", { value: each, selected: each === (document.documentElement.dataset.choice) }, each === "auto" ? "Auto theme" : sentence(each))));
    fill(node,
      h("a", { class: "brand", "data-in": true, href: location.pathname }, h("img", { src: new URL("./icon.svg", import.meta.url).href, alt: "", width: 24, height: 24 }), "Spendmeter"),
      ctx.session.org_id ? h("span", { class: "org", title: ctx.session.org_id }, ctx.session.org_id) : null,
      h("span", { id: "freshness" }), h("span", { class: "grow" }), theme,
      h("span", { class: "caller wide", title: ctx.session.scopes.join(", ") }, ctx.session.name),
      h("a", { class: "wide", href: "docs" }, "API"),
      h("button", { onclick: async () => { await send("DELETE", "v1/session"); signedOut(); } }, "Sign out"));
  }
}

/** @param {string} choice */
function setTheme(choice) {
  document.documentElement.dataset.choice = choice;
  try { localStorage.setItem("theme", choice); } catch { /* not stored: this page only */ }
  window.dispatchEvent(new Event("choose"));
}

/** Show how recent the figures are, according to the answer and not to the time of the request. */
export function showFreshness(answer, ctx) {
  const node = document.getElementById("freshness");
  const { newest_event_at: newest, stored_at: stored, lag_seconds: lag } = answer.freshness;
  if (!node) return;
  node.className = newest && lag > STALE_SECONDS ? "stale" : "";
  const offset = offsetOf(answer.window.from);
  node.title = newest ? `Newest call: ${newest} (${ctx.state.tz}, ${offset})` : "";
  fill(node, newest ? [h("i", { "aria-hidden": "true" }), `Data until ${instant(stored, ctx.state.tz, lag > 43200)} · ${ago(lag)} ago`] : "No calls yet");
}

/** @param {string} iso */
function offsetOf(iso) {
  const offset = iso.match(/([+-]\d\d:\d\d)$/)?.[1];
  return offset ? `UTC${offset.replace("-", "−")}` : "UTC";
}

/** @param {any[]} options @param {string} value @param {string} label @param {(value: string) => void} change */
function choice(options, value, label, change) {
  return h("label", { class: "field" }, h("span", { class: "hidden" }, label),
    h("select", { title: label, "data-field": label, onchange: (event) => change(event.target.value) },
      options.map(([name, text]) => h("option", { value: name, selected: name === value }, text))));
}

/** @param {HTMLElement} node */
export function drawFilters(node, ctx, tab) {
  const { state, go, session } = ctx;
  const focused = document.activeElement?.getAttribute("data-field");
  const zone = h("input", { "data-field": "Time zone", value: state.tz, list: "zones", "aria-label": "Time zone", spellcheck: "false", autocomplete: "off", onchange: (event) => {
    const name = zoneName(event.target.value.trim());
    try {
      new Intl.DateTimeFormat("en", { timeZone: name });
      go({ tz: name });
    } catch {
      event.target.setCustomValidity(`“${name}” is no time zone`);
      event.target.reportValidity();
    }
  } });
  const fixed = state.preset === "custom";
  const date = (name, label) => h("input", { type: "date", "data-field": label, "aria-label": label, value: state[name], onchange: (event) => {
    if (event.target.value) go({ [name]: event.target.value });
  } });
  const today = new Date().toISOString().slice(0, 10);
  fill(node,
    h("div", { class: "filterbar", role: "group", "aria-label": "Filters" },
      choice(PRESETS, state.preset, "Period", (preset) => go(preset === "custom" ? { preset, from: state.from || today, to: state.to || today } : { preset, from: "", to: "" })),
      fixed ? [date("from", "From"), date("to", "To")] : null,
      h("label", { class: "field zone" }, zone, h("datalist", { id: "zones" }, zones().map((each) => h("option", { value: each })))),
      choice(GRANULARITIES.map((each) => [each, each === "auto" ? "Auto interval" : `By ${each}`]), state.granularity, "Interval", (granularity) => go({ granularity })),
      h("div", { class: "segments", role: "group", "aria-label": "Source of keys" }, [["", "All"], ["platform", "Platform"], ["byok", "BYOK"]].map(([name, text]) =>
        h("button", { "data-field": `source ${name}`, "aria-pressed": String(state.source === name), onclick: () => go({ source: name }) }, text))),
      session.currencies.length > 1 || state.currency !== "USD" ? choice([...new Set([...session.currencies, state.currency])].map((each) => [each, each]), state.currency, "Currency", (currency) => go({ currency })) : null,
      h("button", { class: "primary-quiet", "data-field": "filters", onclick: () => openFilters(ctx) }, "+ Filter"),
      h("span", { class: "grow" }), exportButton(ctx, tab)),
    chips(ctx),
    state.ignored.length ? h("p", { class: "notice", role: "status" }, `Ignored in the address: ${[...new Set(state.ignored)].join(", ")}.`) : null);
  if (focused) /** @type {HTMLElement | null} */ (node.querySelector(`[data-field="${CSS.escape(focused)}"]`))?.focus();
}

/** @type {string[] | null} */
let known = null;

function zones() {
  known ??= [...new Set(["UTC", .../** @type {any} */ (Intl).supportedValuesOf("timeZone").map(zoneName)])].sort();
  return known;
}

function chips(ctx) {
  const { state, go } = ctx;
  const set = filtersSet(state.filters);
  if (!set.length) return null;
  return h("div", { class: "chips" }, set.map((name) => {
    const values = state.filters[name].map((value) => value || "(none)"), rest = values.length - 2;
    const without = () => go({ filters: Object.fromEntries(Object.entries(state.filters).filter(([each]) => each !== name)) });
    const label = word(ctx, name);
    return h("span", { class: "chip" },
      h("button", { title: values.join(", "), onclick: () => openFilters(ctx, name), onkeydown: (event) => event.key === "Backspace" && without() },
        `${label}: ${values.slice(0, 2).join(", ")}${rest > 0 ? ` +${rest}` : ""}`),
      h("button", { "aria-label": `Remove the filter ${label}`, onclick: without }, "✕"));
  }), h("button", { class: "link", onclick: () => go({ filters: {} }) }, "Clear all"));
}

/** The word for a dimension: a setting for orgs, classes, sections and users, the key for a tag. @param {string} dimension @param {"one" | "many"} [form] */
export function word(ctx, dimension, form = "one") {
  if (dimension.startsWith("tag:")) return dimension.slice(4);
  return ctx.session.words[dimension]?.[form] ?? sentence(form === "one" ? dimension : dimension === "status" ? "statuses" : `${dimension}s`);
}
