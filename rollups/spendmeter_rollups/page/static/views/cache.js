// Savings by prompt caches, and the cost of calls with the orgs' own keys.

import { get } from "../parts/api.js";
import { amounts, bar, begun, drawChart } from "../parts/charts.js";
import { fill, h, spend, tally } from "../parts/dom.js";
import { bucketLabel, counted, money, percent } from "../parts/format.js";
import { empty, NO_DATA, panel, tile } from "../parts/panel.js";
import { query } from "../parts/state.js";
import { dimensionTable } from "./dimension.js";

export function cache() {
  const load = (ctx) => get("v1/usage/cache", query(ctx.state, { granularity: ctx.state.granularity }), ctx.signal);
  const tiles = panel({ title: "Prompt cache", load, draw: (body, data) => {
    const { totals } = data, code = data.currency.code;
    if (totals.hit_rate === null) return fill(body, empty("No call used a prompt cache in this period."));
    const skipped = data.skipped_models.length;
    return fill(body, h("dl", { class: "large thirds" },
      tile("Hit rate", percent(totals.hit_rate), "of all prompt tokens"),
      tile("Served from cache", tally(totals.cache_read_tokens), "tokens"),
      tile("Written to cache", tally(totals.cache_write_tokens), "tokens"),
      tile("Saved", spend(totals.savings, code), skipped ? `partial: ${counted(skipped, "model")} without a price` : "net of the surcharge for writes")));
  } });
  const trend = panel({ title: "Savings over time", load, draw: (body, data) => {
    if (data.totals.hit_rate === null) return fill(body, empty(NO_DATA));
    const points = begun(data.points, data), labels = points.map((point) => bucketLabel(point.start, data.granularity)), code = data.currency.code;
    const saved = points.map((point) => (point.savings === null ? null : Number(point.savings))), rates = points.map((point) => point.hit_rate);
    return drawChart(body, { labels, caption: `${money(data.totals.savings, code)} saved at a hit rate of ${percent(data.totals.hit_rate)}.`, series: [
      { name: "Saved", color: "series-1", values: saved, shown: (value) => money(value, code), trace: bar },
      { name: "Hit rate", color: "series-2", values: rates, shown: (value) => percent(value), trace: (ink) => ({ type: "scatter", mode: "lines", yaxis: "y2", line: { color: ink, width: 2 } }) },
    ], layout: { yaxis: amounts(saved, code), yaxis2: { overlaying: "y", side: "right", tickmode: "auto", nticks: 5, tickformat: ".0%", showgrid: false } } });
  } });
  return [tiles, trend, dimensionTable("key_source", "Platform and own keys (BYOK)")];
}
