// A panel: a titled box that loads independently. An error affects only this panel; during a reload the previous figures are dimmed.

import { fill, h } from "./dom.js";

export const SPINNER_MS = 200;
export const NO_DATA = "No data for this period.";

/** @typedef {{ state: import("./state.js").State, signal: AbortSignal, session: any, go: (change: object, options?: object) => void, href: (change: object) => string }} Context */

/**
 * @param {{
 *   title?: string, note?: string, className?: string, tools?: any,
 *   load: (ctx: Context) => Promise<any>, draw: (body: HTMLElement, data: any, ctx: Context, panel: any) => any,
 * }} options
 */
export function panel(options) {
  const body = h("div", { class: "body" });
  const note = h("p", { class: "note" }, options.note ?? "");
  const wait = spinner();
  wait.hidden = true;
  const heading = options.title ? h("h2", null, options.title) : null;
  const head = h("header", null, heading ? h("div", null, heading, note) : note, h("div", { class: "tools" }, options.tools));
  const box = h("section", { class: `panel ${options.className ?? ""}`, "aria-label": options.title }, options.title || options.tools ? head : null, body, wait);

  /** @param {Context} ctx */
  async function refresh(ctx) {
    box.setAttribute("aria-busy", "true");
    box.removeAttribute("data-ready");
    const waiting = setTimeout(() => { wait.hidden = false; }, SPINNER_MS);
    try {
      const data = await options.load(ctx);
      if (ctx.signal.aborted) return;
      await options.draw(body, data, ctx, { note: (...text) => fill(note, ...text) });
    } catch (error) {
      if (ctx.signal.aborted) return;
      if (!(error.status >= 0)) console.error(error);
      fill(body, failure(error, () => refresh(ctx)));
    } finally {
      clearTimeout(waiting);
      if (!ctx.signal.aborted) {
        wait.hidden = true;
        box.removeAttribute("aria-busy");
        box.setAttribute("data-ready", "");
      }
    }
  }

  return { box, refresh };
}

export const spinner = () => h("div", { class: "spinner", role: "status" }, h("span", { class: "hidden" }, "Loading"));

/** An error message with a retry button. @param {() => void} retry */
export const failure = (error, retry) => h("div", { class: "failure", role: "alert" },
  h("p", null, h("strong", null, "✕ Not shown. "), error.message, error.retryAfter ? ` Retry in ${error.retryAfter} s.` : "", h("small", null, error.requestId ? ` Request ${error.requestId}.` : "")),
  h("button", { onclick: retry }, "Retry"));

/** A figure with its title. @param {string} title @param {string} [kind] */
export const tile = (title, value, below, kind = "") =>
  h("div", { class: `card ${kind}` }, h("dt", null, title), h("dd", { class: "value" }, value), below === undefined ? null : h("dd", { class: "below" }, below));

/** A titled box of a dialog. @param {string} title @param {...any} content */
export const section = (title, ...content) => h("section", { class: "panel", "aria-label": title }, h("header", null, h("h2", null, title)), content);

/** @param {Record<string, string>} rows */
export const facts = (rows) => h("dl", { class: "identity" }, Object.entries(rows).map(([title, value]) => [h("dt", null, title), h("dd", { dir: "auto" }, value || "-")]));

/** The content of a panel without data: the reason and the next step. @param {string} title @param {...any} rest */
export function empty(title, ...rest) {
  return h("div", { class: "empty" }, h("p", null, h("strong", null, title)), rest.length ? h("p", null, ...rest) : null);
}

/** The empty state of usage, by reason. @param {Context} ctx */
export function noUsage(ctx, freshness) {
  if (!freshness?.newest_event_at) {
    return empty("No calls yet.", "Send the first usage event; ", h("a", { href: "docs" }, "the documentation"), " shows how.");
  }
  if (Object.keys(ctx.state.filters).length || ctx.state.source) {
    return empty("No data for these filters.", h("button", { class: "link", onclick: () => ctx.go({ filters: {}, source: "" }) }, "Clear all filters"));
  }
  return empty(NO_DATA, `The newest call is from ${freshness.newest_event_at.slice(0, 10)}. `,
    h("button", { class: "link", onclick: () => ctx.go({ preset: "all" }) }, "Show all time"));
}
