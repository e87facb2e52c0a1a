/* Restore points: a package's time line, or all of them. */

import { catalogue, page } from "./api.js";
import { wanted } from "./address.js";
import { costFigures } from "./pictures.js";
import { show } from "./live.js";
import { empty, heading, pager, search, table } from "./parts.js";
import { bytes, spoken, time } from "./times.js";
import { html, nothing } from "./vendor/lit-html.js";

const COLUMNS = [
  { title: "Made", head: true, cell: (row) => html`<a href=${page("restore-point", { id: row.id })}>${time(row.created, { age: false })}</a>` },
  { title: "Package", cell: (row) => html`<a href=${page("package", { policy: row.policy, package: row.package })}>${row.package}</a><p class="why">${row.policy}</p>` },
  { title: "From", cell: (row) => html`${row.cluster}<p class="why">${row.node}</p>` },
  { title: "Size", number: true, cell: (row) => bytes(row.size_bytes) },
  { title: "Took", cell: (row) => took(row.seconds) },
  { title: "Verified", cell: (row) => row.verified ? time(row.verified, { age: false }) : html`<span class="bad">not yet: it may not restore</span>` },
  { title: "Proven", cell: (row) => row.proven ? time(row.proven, { age: false }) : html`<span class="quiet">no</span>` },
  { title: "Kept", cell: ({ pinned }) => pinned ? html`pinned by ${pinned.by}<p class="why">${pinned.why}</p>` : html`<span class="quiet">by policy</span>` },
];

function took(seconds) {
  const steps = Object.entries(seconds);
  return steps.length ? steps.map(([step, each]) => `${step} ${spoken(each)}`).join(", ") : html`<span class="quiet">not known</span>`;
}

const YES_NO = [["true", "yes"], ["false", "no"]];

async function load() {
  const query = wanted();
  const { policy, package: name } = query;
  const [answer, costs] = await Promise.all([
    catalogue("restore-points", query),
    policy && name ? catalogue("series/cost", { policy, package: name }) : null,
  ]);
  return { ...answer, costs };
}

function view(answer) {
  const { points, costs } = answer;
  return html`${heading("Restore points")}
    <p class="lead">What can be brought up elsewhere as it was. A pinned one stays, whatever the policy's retention says.</p>
    ${search("Search restore points", [
      { name: "verified", title: "Verified", choices: YES_NO },
      { name: "pinned", title: "Pinned", choices: YES_NO },
    ])}
    ${costs === null ? nothing : html`<div class="figures">${costFigures(costs)}</div>`}
    ${points.length
      ? html`${table({ caption: "Restore points, newest first", columns: COLUMNS, rows: points, hidden: true })}${pager(answer, points.length, "restore points")}`
      : empty("restore points", "The first one appears when a checkpoint DAG has run: by its schedule, or started from the package's page.")}`;
}

show({ load, view, part: "catalogue" });
