// Errors: number, kinds, and the most recent ones with their message.

import { get } from "../parts/api.js";
import { begun, drawChart } from "../parts/charts.js";
import { fill, h } from "../parts/dom.js";
import { bucketLabel, moment, percent, sentence, whole } from "../parts/format.js";
import { empty, noUsage, panel } from "../parts/panel.js";
import { query } from "../parts/state.js";
import { drawRows, name } from "../parts/table.js";
import { callers } from "./log.js";

const load = (ctx) => get("v1/usage/errors", query(ctx.state, { recent: 50, granularity: ctx.state.granularity }), ctx.signal);
const NONE = "No errors in this period.";

export function errors() {
  const rate = panel({ title: "Error rate", className: "two-thirds", load, draw: (body, data, ctx) => {
    if (!data.requests) return fill(body, noUsage(ctx, data.freshness));
    const points = begun(data.points, data), labels = points.map((point) => bucketLabel(point.start, data.granularity)), values = points.map((point) => point.error_rate);
    return drawChart(body, { labels, noLegend: true, caption: `${whole(data.errors)} of ${whole(data.requests)} calls failed: ${percent(data.error_rate, 2)}.`,
      series: [{ name: "Error rate", color: "bad", values, shown: (value) => percent(value, 2),
        trace: (ink) => ({ type: "scatter", mode: "lines", line: { color: ink, width: 2 }, customdata: points.map((point) => `${percent(point.error_rate, 2)} (${whole(point.errors)} of ${whole(point.requests)})`) }) }],
      layout: { yaxis: { tickformat: ".1~%" } } });
  } });
  const kinds = panel({ title: "Kinds", className: "third", load, draw: (body, data) => {
    if (!data.kinds.length) return fill(body, empty(NONE));
    return drawRows(body, "Errors by provider and kind", data.kinds, [
      { key: "kind", label: "Kind", text: true, value: (row) => row.error_type, cell: (row) => [name(sentence(row.error_type || "unknown")), h("br"), h("small", null, row.provider)] },
      { key: "errors", label: "Errors", value: (row) => row.errors, cell: (row) => whole(row.errors) },
      { key: "share", label: "Share", value: (row) => row.share, cell: (row) => percent(row.share) },
    ]);
  } });
  const recent = panel({ title: "Recent errors", note: "the newest 50", load, draw: (body, data, ctx) => {
    if (!data.recent.length) return fill(body, empty(NONE));
    return drawRows(body, "Recent errors", data.recent, [
      { key: "at", label: "Time", text: true, value: (row) => row.occurred_at, cell: (row) => moment(row.occurred_at) },
      { key: "kind", label: "Kind", text: true, value: (row) => sentence(row.error_type || "unknown") },
      { key: "message", label: "Message", text: true, value: (row) => row.error_message, cell: (row) => h("span", { class: "message", title: row.error_message, dir: "auto" }, row.error_message || "-") },
      { key: "feature", label: "Feature", text: true, value: (row) => row.feature, cell: (row) => name(row.feature_name ?? row.feature) },
      { key: "model", label: "Model", text: true, value: (row) => `${row.provider} / ${row.model}`, cell: (row) => h("span", { class: "name", title: `${row.provider} / ${row.model}` }, row.model) },
      ...callers(ctx),
    ]);
  } });
  return [rate, kinds, recent];
}
