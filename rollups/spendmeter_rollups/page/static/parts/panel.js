// A panel: a titled box that loads by itself. Its failure stays in it; while it reloads, the old figures stay, paler.

import { fill, h } from "./dom.js";

const SPINNER_MS = 200;

/** @typedef {{ state: import("./state.js").State, signal: AbortSignal, session: any, go: (change: object, options?: object) => void, href: (change: object) => string, reload: () => void }} Context */

/**
 * @param {{
 *   title?: string, note?: string, className?: string, tools?: any,
 *   load: (ctx: Context) => Promise<any>, draw: (body: HTMLElement, data: any, ctx: Context, panel: any) => any,
 * }} options
 */
export function panel(options) {
  const body = h("div", { class: "body" });
  const note = h("p", { class: "note" }, options.note ?? "");
  const spinner = h("div", { class: "spinner", role: "status", hidden: true }, h("span", { class: "hidden" }, "Loading"));
  const heading = options.title ? h("h2", null, options.title) : null;
  const head = h("header", null, heading ? h("div", null, heading, note) : note, h("div", { class: "tools" }, options.tools));
  const box = h("section", { class: `panel ${options.className ?? ""}`, "aria-label": options.title }, options.title || options.tools ? head : null, body, spinner);
  let drawn = false;

  /** @param {Context} ctx */
  async function refresh(ctx) {
    box.setAttribute("aria-busy", "true");
    box.removeAttribute("data-ready");
    const waiting = setTimeout(() => { spinner.hidden = false; }, SPINNER_MS);
    try {
      const data = await options.load(ctx);
      if (ctx.signal.aborted) return;
      await options.draw(body, data, ctx, { note: (...text) => fill(note, ...text) });
      drawn = true;
    } catch (error) {
      if (ctx.signal.aborted) return;
      if (!((error).status >= 0)) console.error(error);
      failed((error), ctx);
    } finally {
      clearTimeout(waiting);
      if (!ctx.signal.aborted) {
        spinner.hidden = true;
        box.removeAttribute("aria-busy");
        box.setAttribute("data-ready", "");
      }
    }
  }

  /** @param {any} error @param {Context} ctx */
  function failed(error, ctx) {
    const id = error.requestId ? ` Request ${error.requestId}.` : "";
    const wait = error.retryAfter ? ` Retry in ${error.retryAfter} s.` : "";
    fill(body, h("div", { class: "failure", role: "alert" },
      h("p", null, h("strong", null, "✕ Not shown. "), error.message, wait, h("small", null, id)),
      h("button", { type: "button", onclick: () => refresh(ctx) }, "Retry")));
  }

  return { box, refresh, get drawn() { return drawn; } };
}

/** What a panel shows without data: what happened, and what to do. @param {string} title @param {...any} rest */
export function empty(title, ...rest) {
  return h("div", { class: "empty" }, h("p", null, h("strong", null, title)), rest.length ? h("p", null, ...rest) : null);
}

/** The empty state of usage, by reason. @param {Context} ctx @param {any} freshness */
export function noUsage(ctx, freshness) {
  if (!freshness?.newest_event_at) {
    return empty("No calls yet.", "Send the first usage event; ", h("a", { href: "docs" }, "the documentation"), " shows how.");
  }
  if (Object.keys(ctx.state.filters).length || ctx.state.source) {
    return empty("No data for these filters.", h("button", { type: "button", class: "link", onclick: () => ctx.go({ filters: {}, source: "" }) }, "Clear all filters"));
  }
  return empty("No data for this period.", `The newest call is of ${freshness.newest_event_at.slice(0, 10)}. `,
    h("button", { type: "button", class: "link", onclick: () => ctx.go({ preset: "all" }) }, "Show all time"));
}
