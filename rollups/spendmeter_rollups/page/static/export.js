// CSV of the view, streamed by the service: all rows, with the window and the filters of the page.

import { h } from "./parts/dom.js";
import { query } from "./parts/state.js";

/** @param {any} ctx @param {any} tab */
export function exportButton(ctx, tab) {
  if (!tab.csv) return null;
  const extra = tab.csv.extra?.(ctx) ?? {};
  return h("a", { class: "button", href: `v1/usage/export/${tab.csv.view}?${query(ctx.state, extra)}`, download: "", title: "All rows of this view as CSV, beyond those on the screen" }, "Export CSV");
}
