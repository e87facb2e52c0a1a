/* Packages: how well each is protected, and what would become of it. */

import { catalogue, page } from "./api.js";
import { wanted } from "./address.js";
import { show } from "./live.js";
import { goesTo, newest, rpo } from "./package-cells.js";
import { badge, counts, empty, heading, pager, search, table } from "./parts.js";
import { html } from "./vendor/lit-html.js";
import { PROTECTION } from "./words.js";

const COLUMNS = [
  { title: "Package", head: true, cell: (row) => html`<a href=${page("package", { policy: row.policy, package: row.package })}>${row.package}</a><p class="why">${row.policy}</p>` },
  { title: "Runs on", cell: where },
  { title: "Protection", cell: (row) => badge(PROTECTION, row.protection) },
  { title: "RPO now", number: true, cell: rpo },
  { title: "Newest verified restore point", cell: newest },
  { title: "If its cluster died now", cell: goesTo },
];

function where({ cluster, namespace, workload }) {
  return cluster === null
    ? html`<span class="quiet">not known yet</span>`
    : html`<a href=${page("cluster", { name: cluster })}>${cluster}</a><p class="why">${[namespace, workload].filter(Boolean).join(", ")}</p>`;
}

function view(answer) {
  const { summary, packages } = answer;
  return html`${heading("Packages")}
    <p class="lead">${sentence(summary)}</p>
    ${counts(PROTECTION, summary.by_protection, "protection")}
    ${search("Search packages", [{ name: "sort", title: "Order", none: "by name", choices: [["due", "the latest first"]] }])}
    ${packages.length
      ? html`${table({ caption: "Packages", columns: COLUMNS, rows: packages, hidden: true })}${pager(answer, packages.length, "packages")}`
      : empty("packages", "Packages appear here when Airflow has read a policy file that names them.")}`;
}

function sentence({ packages, by_protection: by }) {
  if (packages === 0) {
    return "No package is known.";
  }
  const bad = (by.none ?? 0) + (by.late ?? 0);
  const many = packages === 1 ? "1 package" : `${packages.toLocaleString("en")} packages`;
  return bad === 0 ? `${many}; each has what its policy promises.` : `${many}; ${bad.toLocaleString("en")} without what the policy promises.`;
}

show({ load: () => catalogue("packages", wanted()), view, part: "version" });
