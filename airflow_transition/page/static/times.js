/* Times in the zone that the viewer chose in Airflow (the browser's own until then); ages by the
   server's clock. */

import { html } from "./vendor/lit-html.js";

let serverNow = Date.now();
let heard = performance.now();
let made = { zone: null, format: null };

/** The server's clock, as its last answer said. */
export function setNow(iso) {
  serverNow = Date.parse(iso);
  heard = performance.now();
}

function now() {
  return serverNow + (performance.now() - heard);
}

function zone() {
  try {
    const kept = localStorage.getItem("timezone")?.replace(/^"|"$/g, "") || undefined;
    new Intl.DateTimeFormat("en", { timeZone: kept });
    return kept;
  } catch {
    return undefined; // none chosen, or one that this browser does not know
  }
}

/** "2026-11-24 22:15:30", as Airflow writes it. */
export function local(moment) {
  const wanted = zone();
  if (made.format === null || made.zone !== wanted) {
    const format = new Intl.DateTimeFormat("sv-SE", { timeZone: wanted, dateStyle: "short", timeStyle: "medium" });
    made = { zone: wanted, format };
  }
  return made.format.format(moment);
}

/** A moment, with its age; `none` where there is none. */
export function time(iso, { none = "never", age = true } = {}) {
  if (iso === null || iso === undefined) {
    return none;
  }
  const moment = new Date(iso);
  const utc = `${moment.toISOString().replace("T", " ").slice(0, 19)} UTC`;
  return html`<time datetime=${iso} title=${utc}>${local(moment)}</time>${age ? html` <span class="age">${ago(moment)}</span>` : ""}`;
}

function ago(moment) {
  const seconds = (now() - moment) / 1000;
  return seconds < 0 ? `in ${spoken(-seconds)}` : `${spoken(seconds)} ago`;
}

/** Seconds since a moment, by the server's clock. */
export function since(iso) {
  return Math.max(0, (now() - Date.parse(iso)) / 1000);
}

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

/** "3 d 4 h", "5 min 2 s", "0.8 s"; the two largest units. */
export function spoken(seconds, none = "-") {
  if (seconds === null || seconds === undefined) {
    return none;
  }
  if (seconds < 10) {
    return `${Number(seconds.toFixed(seconds < 1 ? 2 : 1))} s`;
  }
  let rest = Math.floor(seconds);
  const parts = [];
  for (const [unit, length] of UNITS) {
    const count = Math.floor(rest / length);
    rest %= length;
    if (count) {
      parts.push(`${count} ${unit}`);
    }
  }
  return parts.slice(0, 2).join(" ");
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(count, none = "-") {
  if (count === null || count === undefined) {
    return none;
  }
  let power = 0;
  while (count >= 1024 && power < SIZES.length - 1) {
    count /= 1024;
    power += 1;
  }
  return `${count < 10 && power ? count.toFixed(1) : Math.round(count)} ${SIZES[power]}`;
}
