/* One restore point: what it is made of, whether it can be trusted, and what to do with it. */

import { catalogue, page, withJson } from "./api.js";
import { wanted } from "./address.js";
import { askAgain, redraw, show } from "./live.js";
import { facts, heading, link, table } from "./parts.js";
import { bytes, spoken, time } from "./times.js";
import { html, nothing } from "./vendor/lit-html.js";

const CONTAINERS = [
  { title: "Container", head: true, cell: ({ container }) => container },
  { title: "Size", number: true, cell: (row) => bytes(row.size_bytes) },
  { title: "Digest of the archive", cell: (row) => html`<code>${row.digest}</code>` },
  { title: "Image", cell: (row) => html`<code>${row.image}</code>` },
  { title: "Made from", cell: (row) => html`<code>${row.base_image}</code>` },
  { title: "Where", cell: (row) => row.links.map(link) },
];

let said = nothing;

function view({ point, pod, workload_kind: kind, containers, facts: node, restore_with: dag, may_trigger: mayTrigger }) {
  const of = { policy: point.policy, package: point.package };
  return html`${heading(`${point.package}, ${point.created.replace("T", " ").slice(0, 19)} UTC`, html`<a href=${page("restore-points", of)}>Restore points of ${point.package}</a>`)}
    ${mayTrigger ? actions(point, dag) : nothing}
    <div role="status">${said}</div>
    ${facts([
      ["Package", html`<a href=${page("package", of)}>${point.package}</a> of ${point.policy}`],
      ["Made", time(point.created)],
      ["Verified", point.verified ? time(point.verified) : html`<span class="bad">not yet: its images were not read back, so it may not restore</span>`],
      ["Proven by a test restore", point.proven ? time(point.proven) : "no"],
      ["Pinned", point.pinned ? html`by ${point.pinned.by}${point.pinned.pinned ? html`, ${time(point.pinned.pinned)}` : nothing}: ${point.pinned.why}` : "no; the policy's retention decides how long it stays"],
      ["From", `${point.cluster}, ${point.namespace}, ${kind} ${point.workload}, pod ${pod}`],
      ["Size", bytes(point.size_bytes)],
      ...Object.entries(point.seconds).map(([step, seconds]) => [`Seconds of ${step}`, spoken(seconds)]),
      ["Id", html`<code>${point.id}</code>`],
    ])}
    <h2>Containers</h2>${table({ caption: "Containers of this restore point", columns: CONTAINERS, rows: containers, hidden: true })}
    <h2>The node it ran on</h2>
    <p>A target has to match this: else the processes cannot be restored there.</p>
    ${facts(nodeFacts(node))}`;
}

function nodeFacts(node) {
  return Object.entries(node).map(([name, value]) => [
    name.replaceAll("_", " "),
    Array.isArray(value) ? (value.length > 20 ? html`<details><summary>${value.length}</summary>${value.join(" ")}</details>` : value.join(" "))
      : value !== null && typeof value === "object" ? html`<code>${JSON.stringify(value)}</code>` : String(value ?? "not known"),
  ]);
}

function actions(point, dag) {
  const restore = html`<a class="button primary" href=${page("start", { dag, cluster: point.cluster, restore_point: point.id })}>Restore this one</a>`;
  return html`<div class="actions">${point.verified ? restore : nothing}
    ${point.pinned
      ? html`<button type="button" @click=${() => change("DELETE", point)}>Unpin</button>`
      : html`<form class="inline" @submit=${(event) => pin(event, point)}>
          <label>Why it is to stay <input name="why" required maxlength="1000" autocomplete="off"></label>
          <button type="submit">Pin</button></form>`}
  </div>`;
}

function pin(event, point) {
  event.preventDefault();
  return change("PUT", point, { why: event.target.elements.why.value });
}

async function change(method, { id }, body) {
  try {
    await catalogue("pin", { id }, body === undefined ? { method } : withJson(method, body));
    said = html`<p class="notice good">${body === undefined ? "Unpinned: the policy's retention decides again." : "Pinned: it stays until it is unpinned."}</p>`;
    askAgain();
  } catch (error) {
    said = html`<p class="notice bad">Not changed: ${error.message}</p>`;
    redraw();
  }
}

show({ load: () => catalogue("restore-point", wanted()), view, part: "catalogue" });
