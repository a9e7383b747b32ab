// CSV export of the view, streamed by the service: all rows of the window and filters of the page.

import { h } from "./parts/dom.js";
import { query } from "./parts/state.js";

/** @param {string} view */
export const csvLink = (view, ctx, extra = {}) =>
  h("a", { class: "button", href: `v1/usage/export/${view}?${query(ctx.state, extra)}`, download: "", title: "Export all rows of this view as CSV, not only those shown" }, "Export CSV");

export const exportButton = (ctx, tab) => (tab.csv ? csvLink(tab.csv, ctx, tab.csv === "timeseries" ? { granularity: ctx.state.granularity } : {}) : null);
