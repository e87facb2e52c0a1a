/* One cluster with its nodes. */

import { catalogue, page } from "./api.js";
import { wanted } from "./address.js";
import { show } from "./live.js";
import { badge, facts, heading, lines, table } from "./parts.js";
import { bytes, time } from "./times.js";
import { html, nothing } from "./vendor/lit-html.js";
import { HEALTH, STANDING } from "./words.js";

const COLUMNS = [
  { title: "Node", head: true, cell: ({ node }) => node },
  { title: "Health", cell: ({ health, trusted }) => html`${badge(HEALTH, health)}${trusted ? nothing : html`<p class="why">without a token</p>`}` },
  { title: "Last heartbeat", cell: ({ last_seen: seen }) => time(seen) },
  { title: "Agent", cell: ({ agent_version: version }) => version ?? "-" },
  { title: "Containers", number: true, cell: ({ containers }) => containers },
  { title: "Free for archives", number: true, cell: ({ free_bytes: free }) => bytes(free) },
  { title: "Can restore", cell: able },
  { title: "Remarks", cell: ({ remarks }) => lines(remarks, "-") },
];

function able({ able: can, against, kernel, criu, runtime }) {
  if (can === null) {
    return html`<span class="quiet">not known</span>`;
  }
  const what = [runtime, criu && `CRIU ${criu}`, kernel && `kernel ${kernel}`].filter(Boolean).join(", ");
  return html`${can ? "yes" : "no"}<p class="why">${what}</p>${lines(against)}`;
}

function view({ cluster, nodes, nodes_total: total }) {
  return html`${heading(cluster.cluster, html`<a href=${page("fleet")}>Fleet</a>`)}
    <p>${badge(STANDING, cluster.standing)} ${cluster.why}</p>
    ${lines(cluster.warnings)}
    ${facts([
      ["Agents heard", `${cluster.agents_ready} of ${cluster.agents}`],
      ["Last heartbeat", time(cluster.last_seen)],
      ["Epoch", cluster.epoch],
      ["Carries", cluster.carries ? html`<a href=${page("packages", { cluster: cluster.cluster })}>${cluster.carries} packages</a>` : "nothing"],
      ["Fenced here", cluster.fenced.join(", ") || null],
      ["Moves from and to it", html`<a href=${page("transitions", { cluster: cluster.cluster })}>transitions</a>`],
      ["Restore points taken there", html`<a href=${page("restore-points", { cluster: cluster.cluster })}>restore points</a>`],
    ])}
    <h2>Nodes</h2>
    ${nodes.length
      ? table({ caption: `${nodes.length} of ${total} nodes`, columns: COLUMNS, rows: nodes })
      : html`<p class="empty">No node of it was ever heard.</p>`}`;
}

show({ load: () => catalogue("cluster", wanted()), view, part: "fleet" });
