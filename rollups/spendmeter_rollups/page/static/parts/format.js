// Numbers, amounts and times as text. The format is independent of the browser's locale.

const formats = new Map();

/** @param {string} key @param {Intl.NumberFormatOptions} options */
function numberFormat(key, options) {
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat("en", options));
  return formats.get(key);
}

/** 1234 → 1.2K, 999950 → 1M. @param {number} value */
export function compact(value) {
  return Math.abs(value) < 1000
    ? numberFormat("plain", { maximumFractionDigits: 1 }).format(value)
    : numberFormat("compact", { notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 1 }).format(value);
}

/** @param {number} value */
export const whole = (value) => numberFormat("whole", { maximumFractionDigits: 0 }).format(value);

/** A count with its noun: 1 call, 1,000 calls. @param {number} count @param {string} noun */
export const counted = (count, noun, shown = whole(count)) => `${shown} ${noun}${count === 1 ? "" : "s"}`;

/** The mark of a cost that lacks the price of some calls. */
export const bound = (measures) => (measures.unpriced_requests + measures.partial_requests ? "≥ " : "");

/**
 * An amount in `currency`: < ₹0.01, ₹12.40, ₹1.5K; unknown is —. With `digits`, an amount below 1 has so many significant ones.
 * @param {string | number | null} amount @param {string} currency @param {number} [digits]
 */
export function money(amount, currency, digits = 0) {
  if (amount === null || amount === undefined) return "—";
  const value = Number(amount), style = { style: "currency", currency, currencyDisplay: "narrowSymbol" };
  const plain = numberFormat(`plain ${currency}`, (style));
  const least = 10 ** -plain.resolvedOptions().maximumFractionDigits;
  if (digits && Math.abs(value) < 1) return numberFormat(`fine ${currency}`, { ...style, maximumFractionDigits: 12 }).format(Number(value.toPrecision(digits)));
  if (value !== 0 && Math.abs(value) < least) return `< ${plain.format(value < 0 ? -least : least)}`;
  // Round first, then choose the unit: 999.996 is ₹1K and not ₹1,000.00.
  if (Math.abs(Number(value.toFixed(2))) < 1000) return plain.format(value);
  return numberFormat(`compact ${currency}`, ({
    ...style, notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 1,
  })).format(value);
}

/** The cost of `measures`, with `≥` if it is a lower bound. @param {string} currency */
export const atLeast = (measures, currency) => bound(measures) + money(measures.cost, currency, bound(measures) ? 2 : 0);

/** Every digit of an amount, grouped. @param {string | number | null} amount @param {string} currency */
export function exactMoney(amount, currency) {
  if (amount === null || amount === undefined) return "unknown";
  const [integer, fraction = ""] = String(amount).split(".");
  return `${currency} ${integer.replace(/\B(?=(\d{3})+$)/g, ",")}${fraction ? `.${fraction}` : ""}`;
}

/** @param {number | null} share 0 to 1 @param {number} [digits] */
export function percent(share, digits = 1) {
  if (share === null || share === undefined) return "—";
  return numberFormat(`percent ${digits}`, { style: "percent", maximumFractionDigits: digits }).format(share);
}

/** 840 ms, 1.2 s. @param {number | null} ms */
export function duration(ms) {
  if (ms === null || ms === undefined) return "—";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${numberFormat("seconds", { maximumFractionDigits: 1 }).format(ms / 1000)} s`;
}

/** ▲ 12.4 %; × 12 where a percentage is not meaningful; 0 % has no direction. @param {number | null | undefined} change */
export function changeText(change) {
  if (change === null || change === undefined) return null;
  if (change > 9.99) return `× ${compact(1 + change)}`;
  const text = percent(Math.abs(change));
  return text === "0%" ? "0 %" : `${change > 0 ? "▲" : "▼"} ${text.replace("%", " %")}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The wall-clock parts of an ISO instant that has the report's offset: no zone conversion. @param {string} iso */
function parts(iso) {
  const [day, clock = ""] = iso.split("T");
  const [year, month, date] = day.split("-").map(Number);
  return { year, month: MONTHS[month - 1], date, time: clock.slice(0, 5), seconds: clock.slice(0, 8) };
}

/** 14 Nov, 14 Nov 09:00, Nov 2026. @param {string} iso @param {string} granularity */
export function bucketLabel(iso, granularity) {
  const at = parts(iso);
  if (granularity === "month") return `${at.month} ${at.year}`;
  return granularity === "hour" ? `${at.date} ${at.month} ${at.time}` : `${at.date} ${at.month}`;
}

/** @param {string} iso in the report's zone */
export function moment(iso) {
  const at = parts(iso);
  return `${at.date} ${at.month} ${at.year}, ${at.seconds}`;
}

/** An instant in a zone. @param {string | null} iso @param {string} zone @param {boolean} [withDay] */
export function instant(iso, zone, withDay = true) {
  if (!iso) return "-";
  /** @type {Intl.DateTimeFormatOptions} */
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
  return new Intl.DateTimeFormat("en-GB", withDay ? { ...clock, day: "numeric", month: "short" } : clock).format(new Date(iso));
}

/** @param {number} seconds */
export function ago(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** "cache_read" → "Cache read". @param {string} text */
export const sentence = (text) => (text.charAt(0).toUpperCase() + text.slice(1)).replaceAll("_", " ");
