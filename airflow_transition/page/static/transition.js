/* One transition as a story: what was planned and why, what was done, and what is to be done. */

import { catalogue, page } from "./api.js";
import { wanted } from "./address.js";
import { show } from "./live.js";
import { badge, facts, heading, link, packages, table } from "./parts.js";
import { since, spoken, time } from "./times.js";
import { html, nothing } from "./vendor/lit-html.js";
import { KIND, STATE, STEP } from "./words.js";

function view({ transition: it, plan, evidence, fencing, steps, links, rpo_by_package: lost, next_step: next }) {
  return html`${heading(`${KIND[it.kind] ?? it.kind} ${it.source} → ${it.target ?? "?"}`, html`<a href=${page("transitions")}>Transitions</a>`)}
    <p>${badge(STATE, it.state)} ${it.outcome}</p>
    ${next ? html`<section class="notice ${it.state === "failed" ? "bad" : "warn"}" aria-labelledby="next"><h2 id="next">What to do next</h2><p>${next}</p></section>` : nothing}
    ${facts([
      ["Policy", html`<a href=${page("packages", { policy: it.policy })}>${it.policy}</a>`],
      ["Packages", packages(it)],
      ["Began", time(it.began)],
      ["Ended", it.ended ? time(it.ended) : "not yet"],
      ["Downtime", spoken(it.downtime_seconds, "not known")],
      ["Lost (RPO), the most", spoken(it.rpo_seconds, "not known")],
      ["Approved by", it.approved_by ?? "nobody was asked"],
      ["Id", html`<code>${it.id}</code>`],
    ])}
    ${links.length ? html`<ul class="made-list" aria-label="What it made">${links.map((each) => html`<li>${link(each)}</li>`)}</ul>` : nothing}
    <h2>Steps</h2>
    ${steps.length ? timeline(steps) : html`<p>None was taken.</p>`}
    ${part("The plan", plan)}${part("Evidence of the fault", evidence)}${part("How two copies are ruled out", fencing)}
    ${Object.keys(lost).length > 1 ? table({ caption: "What each package lost", rows: Object.entries(lost), columns: [
      { title: "Package", head: true, cell: ([name]) => name }, { title: "RPO", number: true, cell: ([, seconds]) => spoken(seconds) }] }) : nothing}`;
}

function part(title, texts) {
  return texts.length ? html`<h2>${title}</h2><pre class="log" tabindex="0" role="region" aria-label=${title}>${texts.join("\n")}</pre>` : nothing;
}

/* A step without a beginning follows the one before it. */
function placed(steps) {
  let end = 0;
  const first = Math.min(...steps.filter(({ began }) => began).map(({ began }) => Date.parse(began) / 1000));
  return steps.map((step) => {
    const start = step.began ? Date.parse(step.began) / 1000 - first : end;
    const seconds = step.seconds ?? (step.state === "running" && step.began ? since(step.began) : 0);
    end = start + seconds;
    return { ...step, start, long: seconds };
  });
}

function timeline(steps) {
  const bars = placed(steps);
  const whole = Math.max(0.001, ...bars.map(({ start, long }) => start + long));
  const percent = (seconds) => `${(100 * seconds) / whole}%`;
  return table({ caption: `Steps; ${spoken(whole)} in all`, rows: bars, columns: [
    { title: "Step", head: true, cell: ({ name }) => name },
    { title: "State", cell: ({ state }) => badge(STEP, state) },
    { title: "Took", number: true, cell: (step) => spoken(step.state === "running" ? step.long : step.seconds) },
    { title: "When", cell: ({ start, long, state }) => html`<svg class="bar ${state}" aria-hidden="true" width="100%" height="14">
        <rect class="track" width="100%" height="14" rx="3"></rect>
        <rect class="span" x=${percent(start)} width=${percent(Math.max(long, whole / 200))} height="14" rx="3"></rect></svg>` },
    { title: "What happened", cell: ({ text }) => text ?? "" },
  ] });
}

show({ load: () => catalogue("transition", wanted()), view, part: "catalogue" });
