/* Fleet: which clusters stand, what each can restore, and what each carries. */

import { catalogue, page } from "./api.js";
import { wanted } from "./address.js";
import { show } from "./live.js";
import { badge, counts, empty, heading, lines, pager, search, table } from "./parts.js";
import { spoken, time } from "./times.js";
import { html, nothing } from "./vendor/lit-html.js";
import { STANDING } from "./words.js";

const COLUMNS = [
  { title: "Cluster", head: true, cell: ({ cluster }) => html`<a href=${page("cluster", { name: cluster })}>${cluster}</a>` },
  { title: "Standing", cell: (row) => html`${badge(STANDING, row.standing)}<p class="why">${row.why}</p>` },
  { title: "Agents heard", number: true, cell: agents },
  { title: "Last heartbeat", cell: ({ last_seen: seen }) => time(seen) },
  { title: "Can restore", cell: restores },
  { title: "Carries", cell: carries },
];

function agents({ agents: all, agents_ready: ready, untrusted }) {
  return html`${ready} of ${all}${untrusted ? html`<p class="why">${untrusted} without a token</p>` : nothing}`;
}

function restores({ restores: able }) {
  if (able.nodes === 0) {
    return html`<span class="quiet">not known: no node facts</span>`;
  }
  const what = [...able.runtimes, ...able.criu.map((version) => `CRIU ${version}`), ...able.architectures];
  return html`${able.able} of ${able.nodes} nodes<p class="why">${what.join(", ")}</p>${lines(able.against)}`;
}

function carries({ carries: number, carries_names: names, fenced, warnings }) {
  const more = number - names.length;
  return html`${number === 0 ? html`<span class="quiet">nothing</span>` : html`${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`}
    ${fenced.length ? html`<p class="why bad">fenced: ${fenced.join(", ")}</p>` : nothing}
    ${lines(warnings)}`;
}

function view(answer) {
  const { summary, clusters } = answer;
  return html`${heading("Fleet")}
    <p class="lead">${sentence(summary)}</p>
    ${counts(STANDING, summary.by_standing, "standing")}
    ${search("Search clusters")}
    ${clusters.length
      ? html`${table({ caption: "Clusters; those that stand out come first", columns: COLUMNS, rows: clusters, hidden: true })}
          ${pager(answer, clusters.length, "clusters")}`
      : empty("clusters", "A cluster appears here with the first heartbeat of an agent on one of its nodes: give the agent a token with `airflow transition token create` and start it.")}`;
}

function sentence({ clusters, by_standing: by, listening_seconds: listening }) {
  if (clusters === 0) {
    return "No cluster is known.";
  }
  const out = clusters - (by.ready ?? 0);
  const many = clusters === 1 ? "1 cluster" : `${clusters.toLocaleString("en")} clusters`;
  const state = out === 0 ? "all as they should be" : `${out.toLocaleString("en")} that ${out === 1 ? "stands" : "stand"} out`;
  return `${many}, ${state}. The receiver has been listening for ${spoken(listening)}.`;
}

show({ load: () => catalogue("fleet", wanted()), view, part: "fleet" });
