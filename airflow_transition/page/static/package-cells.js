/* What the list of packages and a package's own page both say. */

import { page } from "./api.js";
import { lines } from "./parts.js";
import { since, spoken, time } from "./times.js";
import { html, nothing } from "./vendor/lit-html.js";

/** What would be lost now, against what the policy promises. */
export function rpo({ newest: point, promise_seconds: promise, live }) {
  const lost = point === null ? null : since(point.created);
  const against = promise === null ? "nothing is promised" : `promised: at most ${spoken(promise)}`;
  return html`${live ? spoken(lost, "everything") : "-"}${live ? html`<p class="why ${lost === null || lost > promise ? "" : "good"}">${against}</p>` : nothing}`;
}

export function newest({ newest: point, newest_is_proven: proven }) {
  if (point === null) {
    return html`<span class="quiet">none</span>`;
  }
  return html`<a href=${page("restore-point", { id: point.id })}>${time(point.created, { age: false })}</a>
    <p class="why">${proven ? "proven: it was restored for a test" : "verified, not proven by a test restore"}</p>`;
}

export function goesTo({ goes_to: goes, cluster }) {
  if (goes === null) {
    return html`<span class="quiet">${cluster === null ? "where it runs is not known" : "not planned"}</span>`;
  }
  return html`${goes.target === null ? html`<b class="bad">nowhere</b>` : html`to <a href=${page("cluster", { name: goes.target })}>${goes.target}</a>`}
    ${goes.why.length ? html`<details><summary>why</summary>${lines(goes.why)}</details>` : nothing}
    ${goes.not_along.length ? html`<details><summary>${goes.not_along.length} that would not come along</summary>${lines(goes.not_along)}</details>` : nothing}`;
}
