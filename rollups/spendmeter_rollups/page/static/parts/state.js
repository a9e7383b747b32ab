// The state of the page is its URL, so that a reload, a bookmark and a shared link show the same view.

export const PRESETS = [
  ["today", "Today"], ["7d", "Last 7 days"], ["30d", "Last 30 days"], ["90d", "Last 90 days"],
  ["mtd", "Month to date"], ["last_month", "Last month"], ["ytd", "Year to date"], ["all", "All time"], ["custom", "Custom range…"],
];
export const GRANULARITIES = ["auto", "hour", "day", "week", "month"];
/** Filters of the API, except `key_source`, which has a separate switch. A tag is the filter `tag:KEY`. */
export const FILTERS = [
  "org", "role", "class", "section", "user", "feature", "action", "service", "provider", "model",
  "agent", "task", "configuration", "status", "error_type",
];
const ALIASES = { "Asia/Calcutta": "Asia/Kolkata", "Asia/Katmandu": "Asia/Kathmandu", "Etc/UTC": "UTC" };

/**
 * @typedef {{
 *   tab: string, preset: string, from: string, to: string, tz: string, granularity: string, source: string,
 *   currency: string, filters: Record<string, string[]>, more: Record<string, string>, ignored: string[],
 * }} State
 */

/** @param {string} zone */
export const zoneName = (zone) => (ALIASES)[zone] ?? zone;

export const ownZone = () => zoneName(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");

/** @returns {State} */
export function read(search = location.search) {
  const params = new URLSearchParams(search);
  /** @type {string[]} */
  const ignored = [];
  const pick = (name, allowed, otherwise) => {
    const value = params.get(name);
    params.delete(name);
    if (value === null || allowed.includes(value)) return value ?? otherwise;
    ignored.push(name);
    return otherwise;
  };
  const take = (name, otherwise) => {
    const value = params.get(name) ?? otherwise;
    params.delete(name);
    return value;
  };
  const day = (name) => {
    const value = take(name, "");
    if (!value || /^\d{4}-\d{2}-\d{2}$/.test(value)) return value;
    ignored.push(name);
    return "";
  };
  const state = {
    tab: take("tab", "overview"),
    preset: pick("preset", PRESETS.map(([name]) => name), "30d"),
    from: day("from"), to: day("to"),
    tz: zone(take("tz", ""), ignored),
    granularity: pick("granularity", GRANULARITIES, "auto"),
    source: pick("source", ["platform", "byok"], ""),
    currency: take("currency", "USD"),
    filters: ({}), more: ({}), ignored,
  };
  if (state.preset === "custom" && !state.from) state.preset = "30d";
  for (const name of FILTERS) {
    const values = [...new Set(params.getAll(name))];
    if (values.length) state.filters[name] = values;
    params.delete(name);
  }
  for (const [name, value] of params) {
    const [key, ...rest] = value.split(":");
    if (name === "tag" && key && rest.length) (state.filters[`tag:${key}`] ??= []).push(rest.join(":"));
    else if (/^(sort|page|size|drawer|call|key)$/.test(name)) state.more[name] = value;
    else ignored.push(name);
  }
  return state;
}

/** @param {string} name @param {string[]} ignored */
function zone(name, ignored) {
  if (!name) return ownZone();
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return name;
  } catch {
    ignored.push("tz");
    return ownZone();
  }
}

/** The names of the filters that are set, in the order of the catalogue. @param {Record<string, string[]>} filters */
export const filtersSet = (filters) => [...FILTERS, ...Object.keys(filters).filter((name) => name.startsWith("tag:")).sort()].filter((name) => filters[name]?.length);

/** @param {URLSearchParams} params @param {Record<string, string[]>} filters */
function addFilters(params, filters) {
  for (const name of filtersSet(filters)) for (const value of filters[name]) {
    if (name.startsWith("tag:")) params.append("tag", `${name.slice(4)}:${value}`);
    else params.append(name, value);
  }
}

/** The URL of a state, without defaults. @param {State} state */
export function href(state) {
  const params = new URLSearchParams();
  if (state.tab !== "overview") params.set("tab", state.tab);
  if (state.preset !== "30d") params.set("preset", state.preset);
  if (state.preset === "custom") {
    params.set("from", state.from);
    if (state.to) params.set("to", state.to);
  }
  // A shared link uses the time zone of its sender.
  params.set("tz", state.tz);
  if (state.granularity !== "auto") params.set("granularity", state.granularity);
  if (state.source) params.set("source", state.source);
  if (state.currency !== "USD") params.set("currency", state.currency);
  addFilters(params, state.filters);
  for (const [name, value] of Object.entries(state.more)) if (value) params.set(name, value);
  return `?${params}`;
}

/** Parameters of the API for a state. @param {State} state @param {Record<string, any>} [extra] */
export function query(state, extra = {}) {
  const params = new URLSearchParams();
  if (state.preset === "custom") {
    params.set("from", state.from);
    if (state.to) params.set("to", state.to);
  } else params.set("preset", state.preset);
  params.set("tz", state.tz);
  if (state.currency !== "USD") params.set("currency", state.currency);
  if (state.source) params.set("key_source", state.source);
  addFilters(params, state.filters);
  for (const [name, value] of Object.entries(extra)) {
    params.delete(name);
    for (const each of [value].flat()) if (each !== undefined && each !== "") params.append(name, String(each));
  }
  return params;
}
