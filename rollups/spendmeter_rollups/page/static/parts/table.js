// The table of all views: columns from a catalogue, sorting on exact values, paging, totals of the whole result.

import { announce, fill, h } from "./dom.js";
import { whole } from "./format.js";

export const SIZES = [25, 50, 100];

/**
 * @typedef {{ key: string, label: string, value: (row: any) => any, cell?: (row: any) => any, total?: (totals: any) => any, text?: boolean, strong?: boolean, fixed?: boolean }} Column
 * `fixed`: not sortable. `text`: left, sorted as text.
 */

/**
 * @param {HTMLElement} body
 * @param {{
 *   caption: string, columns: Column[], sorted?: boolean, rows: any[], totals?: any, sort: string, page: number, size: number,
 *   change: (change: { sort?: string, page?: number, size?: number }) => void, note?: string,
 *   onRow?: (row: any) => void, pager?: any,
 * }} options `sorted`: by the service
 */
export function drawTable(body, options) {
  const { rows, sort, size, sorted } = options;
  // On a phone, the strong column follows the first, which does not scroll.
  const rank = (each) => (each === options.columns[0] ? 0 : each.strong ? 1 : 2);
  const columns = matchMedia("(max-width: 760px)").matches ? [...options.columns].sort((a, b) => rank(a) - rank(b)) : options.columns;
  const descending = sort.startsWith("-"), key = sort.replace(/^-/, "");
  const column = columns.find((each) => each.key === key);
  const ordered = column && !sorted ? [...rows].sort((a, b) => compare(column, a, b, descending)) : rows;
  const pages = Math.max(1, Math.ceil(ordered.length / size)), page = Math.min(Math.max(options.page, 1), pages);
  const shown = options.pager !== undefined ? ordered : ordered.slice((page - 1) * size, page * size);
  const focused = document.activeElement?.closest("[data-key]")?.getAttribute("data-key");
  fill(body,
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": options.caption },
      h("table", null, h("caption", { class: "hidden" }, options.caption),
        h("thead", null, h("tr", null, columns.map((each) => head(each, key, descending, options)))),
        h("tbody", null, shown.map((row) => h("tr", rowProps(row, options.onRow), columns.map((each, at) => cell(each, row, at))))),
        options.totals && rows.length > 1 ? h("tfoot", null, h("tr", null, columns.map((each, at) =>
          h(at ? "td" : "th", { scope: at ? null : "row", class: classOf(each) }, at ? each.total?.(options.totals) : "Total")))) : null)),
    options.pager !== undefined ? options.pager : (ordered.length > SIZES[0] || options.note ? pager(ordered.length, page, size, options) : null));
  if (focused) /** @type {HTMLElement | null} */ (body.querySelector(`[data-key="${CSS.escape(focused)}"] button`))?.focus();
}

/** A table without sorting; all rows, unless `more` has a pager. @param {HTMLElement} body @param {string} caption @param {any[]} rows @param {Column[]} columns */
export const drawRows = (body, caption, rows, columns, more) =>
  drawTable(body, { caption, rows, sort: "", page: 1, size: rows.length, change: () => {}, pager: false, columns: columns.map((each) => ({ ...each, fixed: true })), ...more });

/** A table whose sorting and paging are in the URL. @param {HTMLElement} body */
export function drawPaged(body, ctx, options) {
  const { sort = "", page, size } = ctx.state.more, known = options.columns.some((each) => !each.fixed && each.key === sort.replace(/^-/, ""));
  drawTable(body, { ...options, sort: known ? sort : options.sort ?? "-cost", page: Number(page) || 1, size: SIZES.includes(Number(size)) ? Number(size) : SIZES[0],
    change: (change) => ctx.go({ more: change }, { replace: true }) });
}

/** A click on a row outside its links opens it; the link of the row does the same for the keyboard. @param {((row: any) => void) | undefined} open */
const rowProps = (row, open) => open && { class: "opens", onclick: (event) => { if (!event.target.closest("a, button") && getSelection()?.isCollapsed !== false) open(row); } };

/** Empty values come last in both directions. @param {Column} column @param {boolean} descending */
function compare(column, a, b, descending) {
  const [left, right] = [column.value(a), column.value(b)], none = (value) => value === null || value === undefined || value === "";
  if (none(left) || none(right)) return Number(none(left)) - Number(none(right));
  const order = column.text ? String(left).localeCompare(String(right), "en", { numeric: true }) : Number(left) - Number(right);
  return descending ? -order : order;
}

/** @param {Column} column */
const classOf = (column) => `${column.text ? "" : "figure"} ${column.strong ? "strong" : ""}`.trim() || null;

/** @param {Column} column @param {string} key @param {boolean} descending */
function head(column, key, descending, options) {
  const sorted = column.key === key;
  const attributes = { scope: "col", class: classOf(column), "data-key": column.key, "aria-sort": sorted ? (descending ? "descending" : "ascending") : null };
  if (column.fixed) return h("th", attributes, column.label);
  const next = sorted ? (descending ? column.key : `-${column.key}`) : (column.text ? column.key : `-${column.key}`);
  return h("th", attributes, h("button", { onclick: () => {
    options.change({ sort: next, page: 1 });
    announce(`Sorted by ${column.label}, ${next.startsWith("-") ? "descending" : "ascending"}`);
  } }, column.label, h("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (descending ? "↓" : "↑") : "")));
}

/** @param {Column} column @param {number} at */
function cell(column, row, at) {
  return h(at ? "td" : "th", { scope: at ? null : "row", class: classOf(column) }, column.cell ? column.cell(row) : column.value(row) ?? "-");
}

/** @param {number} count @param {number} page @param {number} size */
function pager(count, page, size, options) {
  const first = (page - 1) * size + 1, last = Math.min(page * size, count);
  return h("nav", { class: "pager", "aria-label": `Pages of ${options.caption}` },
    h("span", null, `${whole(first)}–${whole(last)} of ${options.note ? "the first " : ""}${whole(count)}`, options.note ? `; ${options.note}` : ""),
    h("label", null, "Rows ", h("select", { onchange: (event) => options.change({ size: Number(event.target.value), page: 1 }) },
      SIZES.map((each) => h("option", { value: each, selected: each === size }, each)))),
    h("button", { disabled: page <= 1, onclick: () => options.change({ page: page - 1 }) }, "‹ Previous"),
    h("button", { disabled: last >= count, onclick: () => options.change({ page: page + 1 }) }, "Next ›"));
}

/** A long name, cut by the style sheet, with the whole one on hover. @param {string} text @param {string} [href] */
export function name(text, href) {
  return href ? h("a", { class: "name", href, title: text, dir: "auto" }, text) : h("span", { class: "name", title: text, dir: "auto" }, text);
}
