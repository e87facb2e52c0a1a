/* The form of a DAG, filled in; a dry run first. Airflow itself says what the form has, checks what
   is sent, and decides who may start it. */

import { airflow, airflowPage, catalogue, withJson } from "./api.js";
import { wanted } from "./address.js";
import { redraw, show } from "./live.js";
import { badge, heading } from "./parts.js";
import { html, nothing } from "./vendor/lit-html.js";

const POLL_MS = 1000;
const RUN = {
  queued: { word: "Queued", tone: "busy" },
  running: { word: "Running", tone: "busy" },
  success: { word: "Done", tone: "good" },
  failed: { word: "Failed", tone: "bad" },
};

let run = null;
let problem = null;

async function load() {
  const [dag, me] = await Promise.all([
    airflow(`dags/${encodeURIComponent(wanted().dag ?? "")}/details`),
    catalogue("me"),
  ]);
  return { dag, mayTrigger: me.may_trigger, fields: Object.entries(dag.params ?? {}).map(field) };
}

function field([name, { value, schema, description }]) {
  const given = wanted()[name];
  const types = [schema?.type ?? "string"].flat();
  return {
    name, types,
    title: schema?.title ?? name,
    help: schema?.description ?? description,
    choices: schema?.enum ?? null,
    examples: schema?.examples ?? [],
    value: given === undefined ? value : types.includes("boolean") ? given === "true" : given,
    refused: given !== undefined && schema?.enum && !schema.enum.includes(given) ? given : null,
    needed: !types.includes("null"),
    longest: schema?.maxLength,
  };
}

function view({ dag, mayTrigger, fields }) {
  const dry = fields.some(({ name }) => name === "dry_run");
  const dagPage = airflowPage(`dags/${encodeURIComponent(dag.dag_id)}`);
  return html`${heading(dag.dag_display_name ?? dag.dag_id, html`Start a DAG`)}
    <p class="lead">${dag.description ? `${dag.description}. ` : ""}<a data-airflow href=${dagPage}>Its page in Airflow</a> says what each step does.</p>
    ${dag.is_paused ? html`<p class="notice warn">This DAG is paused: a run waits until somebody unpauses it on <a data-airflow href=${dagPage}>its page</a>.</p>` : nothing}
    <form class="start" @submit=${(event) => start(event, dag, fields, dry)}>
      ${fields.filter(({ name }) => name !== "dry_run").map(input)}
      ${mayTrigger ? buttons(dry) : html`<p class="notice warn">You may look, and not start DAGs in this Airflow.</p>`}
    </form>
    <div role="status" class="outcome">${outcome(dag)}</div>`;
}

function buttons(dry) {
  return html`<p class="actions">${dry
        ? html`<button type="submit" class="primary" name="dry" value="true">Dry run</button>
            <button type="submit" class="danger" name="dry" value="false">Start</button>`
        : html`<button type="submit" class="primary" name="dry" value="false">Start</button>`}</p>
    ${dry ? html`<p class="help">The dry run makes the plan and touches nothing. Read it, then start.</p>` : nothing}`;
}

function input(it) {
  const id = `field-${it.name}`;
  const help = `${id}-help`;
  const described = it.help ? help : nothing;
  return html`<div class="field">
    ${it.types.includes("boolean")
      ? html`<label class="check"><input type="checkbox" id=${id} name=${it.name} ?checked=${it.value === true} aria-describedby=${described}> ${it.title}</label>`
      : html`<label for=${id}>${it.title}</label>${it.choices ? select(it, id, described) : text(it, id, described)}`}
    ${it.help ? html`<p class="help" id=${help}>${it.help}</p>` : nothing}
    ${it.refused === null ? nothing : html`<p class="help bad">${it.refused} is not among the choices of this DAG.</p>`}
  </div>`;
}

function select(it, id, described) {
  const chosen = it.refused === null ? it.value : null;
  const missing = chosen === null || chosen === undefined;
  return html`<select id=${id} name=${it.name} ?required=${it.needed} aria-describedby=${described}>
    ${missing || !it.needed ? html`<option value="" ?selected=${missing}>${it.needed ? "choose one" : "none"}</option>` : nothing}
    ${it.choices.filter((choice) => choice !== null).map((choice) => html`<option value=${choice} ?selected=${choice === chosen}>${choice}</option>`)}
  </select>`;
}

function text(it, id, described) {
  const number = it.types.some((type) => ["integer", "number"].includes(type));
  return html`<input id=${id} name=${it.name} type=${number ? "number" : "text"} step=${number ? "any" : nothing}
      ?required=${it.needed} maxlength=${it.longest ?? nothing} autocomplete="off" value=${it.value ?? ""} list="${id}-list" aria-describedby=${described}>
    <datalist id="${id}-list">${it.examples.map((example) => html`<option value=${example}></option>`)}</datalist>`;
}

function outcome(dag) {
  if (problem !== null) {
    return html`<p class="notice bad"><b>Not started.</b> ${problem}</p>`;
  }
  if (run === null) {
    return nothing;
  }
  const href = airflowPage(`dags/${encodeURIComponent(dag.dag_id)}/runs/${encodeURIComponent(run.id)}`);
  return html`<div class="notice"><p>${run.dry ? "Dry run" : "Run"}: ${badge(RUN, run.state)} <a data-airflow href=${href}>${run.id}</a></p>
    ${run.dry && run.state === "success" ? html`<p>Nothing was touched. The log of its task <b>plan</b> has the whole plan; if it is what you want, press Start.</p>` : nothing}
    ${run.state === "failed" ? html`<p>The log of the failed task says what to do.</p>` : nothing}
    ${run.plan ? html`<pre class="log" tabindex="0" role="region" aria-label="The plan">${run.plan}</pre>` : nothing}</div>`;
}

async function start(event, dag, fields, hasDry) {
  event.preventDefault();
  const dry = hasDry && event.submitter?.value !== "false";
  const conf = Object.fromEntries(fields.map((each) => [each.name, valueOf(each, event.target.elements[each.name])]));
  if (hasDry) {
    conf.dry_run = dry;
  }
  problem = null;
  run = null;
  try {
    const body = withJson("POST", { logical_date: null, conf });
    const made = await airflow(`dags/${encodeURIComponent(dag.dag_id)}/dagRuns`, body);
    run = { id: made.dag_run_id, state: made.state, dry, plan: null };
    redraw();
    await follow(dag);
  } catch (error) {
    problem = error.message;
  }
  redraw();
}

function valueOf({ types, needed }, element) {
  if (element === undefined || element === null) {
    return undefined;
  }
  if (types.includes("boolean")) {
    return element.checked;
  }
  if (element.value === "" && !needed) {
    return null;
  }
  return types.some((type) => ["integer", "number"].includes(type)) ? Number(element.value) : element.value;
}

async function follow(dag) {
  const mine = run;
  const address = `dags/${encodeURIComponent(dag.dag_id)}/dagRuns/${encodeURIComponent(mine.id)}`;
  while (run === mine && !["success", "failed"].includes(mine.state)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    mine.state = (await airflow(address)).state;
    redraw();
  }
}

show({ load, view, part: null });
