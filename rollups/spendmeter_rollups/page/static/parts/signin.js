// Sign in with a pasted key, or once with a link whose secret is in the fragment.

import { Failure, get, send } from "./api.js";
import { fill, h } from "./dom.js";

/** Return the session, or null. If the URL contains a sign-in link, use it first. */
export async function currentSession() {
  const secret = new URLSearchParams(location.hash.slice(1)).get("link");
  let refused = "";
  if (secret) {
    // Remove the secret from the address first, so that neither history nor a screenshot contains it.
    history.replaceState(null, "", location.pathname + location.search);
    try {
      await send("POST", "v1/session", { link: secret });
      signedIn(true);
    } catch (error) {
      refused = error.message;
    }
  }
  // Without a session, send no request: a 401 would be logged as an error in the console.
  if (!signedIn()) return { session: null, refused };
  try {
    return { session: await get("v1/session"), refused: "" };
  } catch (error) {
    if (error instanceof Failure && error.status === 401) return { session: null, refused };
    return { session: null, refused: error.message };
  }
}

/** Return whether this browser may have a session: scripts cannot read its cookie. @param {boolean} [now] */
export function signedIn(now) {
  try {
    if (now !== undefined) localStorage.setItem("signed-in", now ? "yes" : "");
    return localStorage.getItem("signed-in") === "yes";
  } catch {
    return true;
  }
}

/** @param {Element} root @param {string} refused @param {() => void} done */
export function drawSignIn(root, refused, done) {
  const key = h("input", { id: "key", type: "password", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "refused" });
  const fault = h("p", { id: "refused", class: "bad", role: "alert" }, refused);
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h("form", { class: "signin", onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await send("POST", "v1/session", { key: key.value.trim() });
      key.value = "";
      signedIn(true);
      done();
    } catch (error) {
      fill(fault, `✕ ${error.message}`);
      button.disabled = false;
      key.select();
    }
  } },
  h("img", { src: new URL("../icon.svg", import.meta.url).href, alt: "", width: 40, height: 40 }),
  h("h1", null, "Spendmeter"),
  h("p", { class: "note" }, "Usage and cost by org, user, model and feature."),
  h("label", { for: "key" }, "API key"), key, fault, button,
  h("p", { class: "note" }, "Create a key with ", h("code", null, "spendmeter apikey create"), "; ", h("code", null, "make demo"), " prints a link and an admin key, and either signs in. This browser stays signed in for 12 hours."));
  fill(root, h("main", { class: "center" }, form));
  key.focus();
}
