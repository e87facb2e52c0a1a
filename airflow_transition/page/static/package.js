/* One package: what it would lose, where it would go and why, and what can be started. */

import { catalogue, page } from "./api.js";
import { wanted } from "./address.js";
import { costFigures, rpoFigure } from "./pictures.js";
import { show } from "./live.js";
import { goesTo, newest, rpo } from "./package-cells.js";
import { badge, facts, heading, lines } from "./parts.js";
import { bytes, time } from "./times.js";
import { html, nothing } from "./vendor/lit-html.js";
import { PROTECTION } from "./words.js";

const DAY_MS = 86_400_000;

async function load() {
  const { policy, package: name } = wanted();
  const of = { policy, package: name };
  const since = new Date(Date.now() - DAY_MS).toISOString();
  const [detail, rpoSeries, costs] = await Promise.all([
    catalogue("package", of),
    catalogue("series/rpo", { ...of, since }),
    catalogue("series/cost", of),
  ]);
  return { ...detail, rpoSeries, costs };
}

function view({ package: it, dags, may_trigger: mayTrigger, rpoSeries, costs }) {
  const of = { policy: it.policy, package: it.package };
  return html`${heading(it.package, html`<a href=${page("packages")}>Packages</a>`)}
    <p>${badge(PROTECTION, it.protection)} of policy <a href=${page("packages", { policy: it.policy })}>${it.policy}</a></p>
    ${mayTrigger ? actions(it, dags) : nothing}
    ${facts([
      ["Runs on", it.cluster && html`<a href=${page("cluster", { name: it.cluster })}>${it.cluster}</a>`],
      ["Workload", [it.namespace, it.workload].filter(Boolean).join(", ")],
      ["Type", `${it.type}${it.live ? ", moves with its memory" : ""}`],
      ["RPO now", rpo(it)],
      ["Newest verified restore point", newest(it)],
      ["Its size", it.newest && bytes(it.newest.size_bytes)],
      ["Schedule", it.schedule && html`<code>${it.schedule}</code>`],
      ["Late from", it.due && time(it.due)],
      ["Restore points", html`<a href=${page("restore-points", of)}>${it.points}</a>`],
      ["Moves", html`<a href=${page("transitions", of)}>transitions</a>`],
    ])}
    <section aria-labelledby="fate"><h2 id="fate">If its cluster died this minute</h2>${fate(it)}</section>
    <section aria-labelledby="pictures"><h2 id="pictures">In pictures</h2>
      <div class="figures">${rpoFigure(rpoSeries)}${costFigures(costs)}</div></section>`;
}

function fate(it) {
  const goes = it.goes_to;
  if (goes === null) {
    return html`<p>${goesTo(it)}</p>`;
  }
  return html`<p>${goes.target === null
      ? html`<b class="bad">It would go nowhere.</b>`
      : html`It would go to <a href=${page("cluster", { name: goes.target })}>${goes.target}</a>${goes.restore_point
          ? html`, from the restore point <a href=${page("restore-point", { id: goes.restore_point })}>${goes.restore_point}</a>.`
          : ", without its memory."}`}</p>
    <h3>Why</h3>${lines(goes.why, html`<p>Nothing was weighed.</p>`)}
    <h3>What would not come along</h3>${lines(goes.not_along, html`<p>Nothing that is known of.</p>`)}`;
}

function actions(it, dags) {
  const of = { package: it.package };
  return html`<p class="actions">
    ${dags.checkpoint.map((dag) => html`<a class="button" href=${page("start", { dag })}>Make a restore point${dags.checkpoint.length > 1 ? ` (${dag.split(".").pop()})` : ""}</a>`)}
    ${it.live ? html`<a class="button" href=${page("start", { dag: dags.migrate, ...of })}>Move it</a>` : nothing}
    ${it.live ? html`<a class="button" href=${page("start", { dag: dags.failback, ...of })}>Move it back</a>` : nothing}
    <a class="button danger" href=${page("start", { dag: dags.failover, cluster: it.cluster ?? "" })}>Fail over its cluster</a>
  </p>`;
}

show({ load, view, part: "catalogue" });
