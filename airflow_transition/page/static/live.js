/* A page's life: ask, draw, and draw again as soon as something changed. */

import { catalogue, Refused } from "./api.js";
import { failure } from "./parts.js";
import { setNow } from "./times.js";
import { render } from "./vendor/lit-html.js";
import { followLinks } from "./airflow-links.js";

const WAIT_SECONDS = 25;
const AGAIN_MS = 5000;
const AGES_MS = 5000;
const PASSING = [0, 502, 503, 504];

const main = document.getElementById("content");
const freshness = document.getElementById("freshness");
const listeners = [];
let draw = () => {};

/** Draw again what is known, without asking. */
export function redraw() {
  draw();
}

/** Called after each drawing. */
export function afterDrawing(listener) {
  listeners.push(listener);
}

/**
 * `load` gives the answer, `view` makes it into a template. `part` of the catalogue's version says
 * when to load again: "fleet", "catalogue" or "version"; null: never.
 */
export async function show({ load, view, part }) {
  followLinks();
  main.replaceChildren();
  const reload = () => refresh({ load, view });
  addEventListener("wanted", reload);
  await reload();
  setInterval(() => document.visibilityState === "visible" && draw(), AGES_MS);
  addEventListener("storage", (event) => event.key === "timezone" && draw());
  if (part !== null) {
    watch(part, reload);
  }
}

/** Ask again now: filters changed, or a person changed something. */
export function askAgain() {
  dispatchEvent(new Event("wanted"));
}

let asked = 0;
let stale = false;
async function refresh({ load, view }) {
  asked += 1;
  const mine = asked;
  main.setAttribute("aria-busy", "true");
  try {
    const answer = await load();
    if (mine !== asked) {
      return; // a later question was asked meanwhile
    }
    if (answer?.now) {
      setNow(answer.now);
    }
    draw = () => put(view(answer));
    draw();
    stale = false;
    say("");
  } catch (error) {
    if (mine !== asked) {
      return;
    }
    report(error);
  }
  main.setAttribute("aria-busy", "false");
}

/* What is shown stays, marked as old; only a page that never stood shows the failure alone. */
function report(error) {
  if (!(error instanceof Refused)) {
    console.error(error);
  }
  stale = PASSING.includes(error.status);
  if (stale && main.dataset.stands === "yes") {
    say(`Not up to date: ${error.message}. Trying again.`);
    return;
  }
  draw = () => render(failure(error), main);
  draw();
}

function put(template) {
  render(template, main);
  main.dataset.stands = "yes";
  for (const listener of listeners) {
    listener();
  }
}

async function watch(part, reload) {
  let known = null;
  let failed = false;
  for (;;) {
    try {
      await visible();
      const again = failed || stale;
      const waits = known !== null && !again;
      const version = await catalogue("version", waits ? { after: known.version, wait_seconds: WAIT_SECONDS } : {});
      failed = false;
      if (again || (known !== null && version[part] !== known[part])) {
        await reload();
      }
      known = version;
      if (stale) {
        await pause();
      }
    } catch (error) {
      failed = true;
      say(`Not up to date: ${error.message}. Trying again.`);
      await pause();
    }
  }
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
}

function visible() {
  return new Promise((resolve) => {
    const look = () => {
      if (document.visibilityState === "visible") {
        document.removeEventListener("visibilitychange", look);
        resolve();
      }
    };
    document.addEventListener("visibilitychange", look);
    look();
  });
}

function say(text) {
  if (freshness.textContent !== text) {
    freshness.textContent = text;
  }
}
