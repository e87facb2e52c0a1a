/* What is searched for stands in the address, so that it can be sent to somebody. */

import { askAgain } from "./live.js";

const MOUNTED = /^(.*\/plugin\/transition)(?:\/|$)/;
let wait = 0;

/** The page's query as an object. */
export function wanted() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

/** Change parts of the query and ask again; another search begins at its first page. */
export function want(changes, { after = 0 } = {}) {
  clearTimeout(wait);
  wait = setTimeout(() => {
    const query = { ...wanted(), cursor: "", ...changes };
    const given = Object.entries(query).filter(([, value]) => value !== "");
    const address = `${location.pathname}${given.length ? "?" : ""}${new URLSearchParams(given)}`;
    history.replaceState(null, "", address);
    tellAirflow(address);
    askAgain();
  }, after);
}

/** The same page with other parts of the query: a link. */
export function withWanted(changes) {
  const query = { ...wanted(), cursor: "", ...changes };
  const given = Object.entries(query).filter(([, value]) => value !== "");
  return `?${new URLSearchParams(given)}`;
}

/* Airflow's address shows ours after its own; it follows by itself only when a page loads. */
function tellAirflow(address) {
  try {
    const around = window.parent;
    const mounted = around !== window && MOUNTED.exec(around.location.pathname);
    if (mounted) {
      around.history.replaceState(around.history.state, "", mounted[1] + address);
    }
  } catch {
    // framed by another origin: its address is not ours to change
  }
}
