/* Parts that several pages are made of. Values only ever become text: lit escapes them. */

import { page } from "./api.js";
import { wanted, want, withWanted } from "./address.js";
import { html, nothing } from "./vendor/lit-html.js";
import { known } from "./words.js";

const SIGNS = { good: "✓", warn: "!", bad: "✕", quiet: "–", busy: "…" };

export function badge(states, name) {
  const { word, tone } = known(states, name);
  return html`<span class="badge ${tone}"><span aria-hidden="true">${SIGNS[tone]}</span> ${word}</span>`;
}

/**
 * `columns`: `{ title, cell(row), number, head }`. On a narrow screen each row becomes a card, and
 * the roles keep it a table for who listens to it.
 */
export function table({ caption, columns, rows, hidden = false }) {
  const align = (column) => (column.number ? "number" : "");
  return html`<div class="scroll"><table role="table">
    <caption class=${hidden ? "unseen" : ""}>${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map(
      (column) => html`<th role="columnheader" scope="col" class=${align(column)}>${column.title}</th>`,
    )}</tr></thead>
    <tbody role="rowgroup">${rows.map(
      (row) => html`<tr role="row">${columns.map((column) =>
        column.head
          ? html`<th role="rowheader" scope="row" data-label=${column.title}><div>${column.cell(row)}</div></th>`
          : html`<td role="cell" class=${align(column)} data-label=${column.title}><div>${column.cell(row)}</div></td>`,
      )}</tr>`,
    )}</tbody>
  </table></div>`;
}

/** Names with their values. */
export function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return html`<dl class="facts">${given.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

export function lines(texts, none = nothing) {
  return texts.length ? html`<ul class="lines">${texts.map((text) => html`<li>${text}</li>`)}</ul>` : none;
}

/** The search field of a list; it asks the server while one types. */
export function search(label, selects = []) {
  const now = wanted();
  return html`<form class="search" role="search" @submit=${(event) => event.preventDefault()}>
    <label>${label}
      <input type="search" name="q" autocomplete="off" maxlength="200" value=${now.q ?? ""}
        @input=${(event) => want({ q: event.target.value }, { after: 150 })}>
    </label>
    ${selects.map(({ name, title, choices, none = "all" }) => html`<label>${title}
      <select name=${name} @change=${(event) => want({ [name]: event.target.value })}>
        <option value="" ?selected=${!now[name]}>${none}</option>
        ${choices.map(([value, word]) => html`<option value=${value} ?selected=${now[name] === value}>${word}</option>`)}
      </select></label>`)}
    ${narrowedBy(now, selects)}
  </form>`;
}

/* What the address narrows the list to and no field shows. */
function narrowedBy(now, selects) {
  const shown = new Set(["q", "cursor", "limit", "sort", ...selects.map(({ name }) => name)]);
  const others = Object.entries(now).filter(([name]) => !shown.has(name));
  return others.map(([name, value]) => html`<a class="chip" href=${withWanted({ [name]: "" })}>
    ${name}: ${value} <span aria-hidden="true">✕</span><span class="unseen">: show all again</span></a>`);
}

/** How many there are of each state; each narrows the list to itself. */
export function counts(states, numbers, name) {
  const current = wanted()[name];
  const found = Object.keys(states).filter((state) => numbers[state]);
  return html`<ul class="counts">${found.map((state) => {
    const { word, tone } = known(states, state);
    const on = current === state;
    return html`<li><a class="count ${tone}" aria-current=${on ? "true" : nothing} href=${withWanted({ [name]: on ? "" : state })}>
      <b>${numbers[state].toLocaleString("en")}</b> ${word}</a></li>`;
  })}</ul>`;
}

export function pager(answer, shown, noun) {
  const from = wanted().cursor ? "" : "first ";
  const text = shown === answer.total ? `${answer.total} ${noun}` : `${from}${shown} of ${answer.total.toLocaleString("en")} ${noun}`;
  return html`<nav class="pager" aria-label="Pages">
    <p role="status">${text}</p>
    ${wanted().cursor ? html`<a class="button" href=${withWanted({})}>First page</a>` : nothing}
    ${answer.next ? html`<a class="button" rel="next" href=${withWanted({ cursor: answer.next })}>Next page</a>` : nothing}
  </nav>`;
}

/** Nothing to show: is it the search, or is there nothing yet? */
export function empty(noun, advice) {
  const { cursor, limit, sort, ...narrowed } = wanted();
  return Object.keys(narrowed).length
    ? html`<div class="empty"><p>No ${noun} fit this search.</p><p><a class="button" href="?">Show all ${noun}</a></p></div>`
    : html`<div class="empty"><p>No ${noun} yet.</p><p>${advice}</p></div>`;
}

const ADVICE = {
  0: "Airflow's API server does not answer. The page tries again by itself.",
  401: "Your session ended. Sign in to Airflow again.",
  403: "Ask whoever runs this Airflow for the permission to see DAGs.",
  404: "It may have been removed, or the address is wrong.",
  503: "The database of the receiver does not answer; nothing is lost. The page tries again by itself.",
};

const TITLES = { 0: "Not reached", 401: "Signed out", 403: "Not allowed", 404: "Not found" };

export function failure(error) {
  const retry = () => location.reload();
  return html`<h1>${TITLES[error.status] ?? "Not available"}</h1>
    <div class="notice bad" role="alert">
      <p><b>${error.message}</b></p>
      <p>${ADVICE[error.status] ?? "Read the log of Airflow's API server."}</p>
      <p><button type="button" @click=${retry}>Try again</button> <a class="button" href=${page("fleet")}>Fleet</a></p>
    </div>`;
}

export function heading(title, above = nothing) {
  document.title = `${title} - Transition`;
  return html`${above === nothing ? nothing : html`<p class="above">${above}</p>`}<h1>${title}</h1>`;
}

/** The first names, and how many more there are. */
export function packages({ packages: names, packages_total: total }) {
  return `${names.join(", ")}${total > names.length ? ` and ${total - names.length} more` : ""}`;
}

/** Links to a run, a commit, an image, an archive. */
export function link({ kind, text, url }) {
  if (url === null) {
    return html`<span class="made"><span class="kind">${kind}</span> <code>${text}</code></span>`;
  }
  const own = url.startsWith("/");
  const safe = own || /^https?:\/\//.test(url);
  return safe
    ? html`<span class="made"><span class="kind">${kind}</span> <a href=${own ? `../..${url}` : url} ?data-airflow=${own}
        target=${own ? nothing : "_blank"} rel=${own ? nothing : "noopener noreferrer"}>${text}</a></span>`
    : html`<span class="made"><span class="kind">${kind}</span> <code>${text}</code></span>`;
}
