/* Transitions: every migration, failover and failback. */

import { catalogue, page } from "./api.js";
import { wanted } from "./address.js";
import { downtimeFigure } from "./pictures.js";
import { show } from "./live.js";
import { badge, empty, heading, packages, pager, search, table } from "./parts.js";
import { spoken, time } from "./times.js";
import { html } from "./vendor/lit-html.js";
import { KIND, STATE } from "./words.js";

const COLUMNS = [
  { title: "Began", head: true, cell: (row) => html`<a href=${page("transition", { id: row.id })}>${time(row.began, { age: false })}</a>` },
  { title: "What", cell: (row) => html`${KIND[row.kind] ?? row.kind}<p class="why">${row.policy}</p>` },
  { title: "Packages", cell: packages },
  { title: "From, to", cell: (row) => `${row.source} → ${row.target ?? "?"}` },
  { title: "State", cell: (row) => html`${badge(STATE, row.state)}<p class="why">${row.outcome}</p>` },
  { title: "Downtime", number: true, cell: (row) => spoken(row.downtime_seconds) },
  { title: "Lost (RPO)", number: true, cell: (row) => spoken(row.rpo_seconds) },
];

const SELECTS = [
  { name: "kind", title: "What", choices: Object.entries(KIND) },
  { name: "state", title: "State", choices: Object.entries(STATE).map(([name, { word }]) => [name, word]) },
];

async function load() {
  const query = wanted();
  const [answer, downtimes] = await Promise.all([
    catalogue("transitions", query),
    catalogue("series/downtime", { policy: query.policy, package: query.package }),
  ]);
  return { ...answer, downtimes };
}

function view(answer) {
  const { transitions, downtimes } = answer;
  return html`${heading("Transitions")}
    ${search("Search transitions", SELECTS)}
    ${transitions.length
      ? html`${table({ caption: "Transitions, newest first", columns: COLUMNS, rows: transitions, hidden: true })}
          ${pager(answer, transitions.length, "transitions")}
          <div class="figures">${downtimeFigure(downtimes)}</div>`
      : empty("transitions", "A planned move, a failover or a failback appears here when its DAG has made its plan.")}`;
}

show({ load, view, part: "catalogue" });
