// API client: sessions, readable errors, a short cache of answers, and cancellation of outdated requests.

const MOST = 20;
const FRESH_MS = 10_000;
/** @type {Map<string, { at: number, body: any }>} */
const answers = new Map();
/** @type {() => void} */
let onSignedOut = () => {};

/** A failed request, with a readable message. */
export class Failure extends Error {
  /** @param {string} message @param {number} status @param {string} [requestId] @param {number} [retryAfter] */
  constructor(message, status, requestId = "", retryAfter = 0) {
    super(message);
    this.status = status;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

/** @param {() => void} listener */
export function whenSignedOut(listener) {
  onSignedOut = listener;
}

export const forget = () => answers.clear();

/**
 * Return the JSON answer to a GET, at most 10 s old.
 * @param {string} path @param {URLSearchParams} [params] @param {AbortSignal} [signal]
 */
export async function get(path, params, signal) {
  const url = path + (params && String(params) ? `?${params}` : "");
  const known = answers.get(url);
  if (known && Date.now() - known.at < FRESH_MS) return known.body;
  const body = await (await request(url, { signal })).json();
  answers.delete(url);
  answers.set(url, { at: Date.now(), body });
  if (answers.size > MOST) answers.delete((answers.keys().next().value));
  return body;
}

/** Send a request that changes data. @param {string} method @param {string} path */
export async function send(method, path, body) {
  const response = await request(path, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { "Content-Type": "application/json", "X-Spendmeter-Page": "1" },
  });
  forget();
  return response.status === 204 ? null : response.json();
}

/** @param {string} url @param {RequestInit} options */
async function request(url, options) {
  let response;
  try {
    response = await fetch(url, { ...options, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The service cannot be reached. Check the connection.", 0);
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401 && url !== "v1/session") onSignedOut();
  const words = problem.detail || problem.title || `The service returned status ${response.status}.`;
  throw new Failure(words, response.status, response.headers.get("x-request-id") ?? "", Number(response.headers.get("retry-after")));
}
