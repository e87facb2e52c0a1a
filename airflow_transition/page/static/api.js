/* What the pages ask of the catalogue and of Airflow, as the person who looks. Every address is
   relative to the page, so that Airflow may be served below any path. */

const CATALOGUE = "../catalogue/";
const AIRFLOW = "../../";

/** The server did not do what was asked. `status` is 0 where it could not be reached. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export function catalogue(path, query = {}, options = {}) {
  return ask(withQuery(CATALOGUE + path, query), options);
}

export function airflow(path, options = {}) {
  return ask(`${AIRFLOW}api/v2/${path}`, options);
}

/** Address of one of Airflow's own pages: "/dags/x" or "dags/x". */
export function airflowPage(path) {
  return AIRFLOW + path.replace(/^\/+/, "");
}

/** Address of one of ours. */
export function page(name, query = {}) {
  return withQuery(name, query);
}

export function withJson(method, body) {
  return { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
}

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...options });
  } catch {
    throw new Refused(0, "the server cannot be reached");
  }
  if (!answer.ok) {
    throw new Refused(answer.status, await detailOf(answer));
  }
  return answer.status === 204 ? null : answer.json();
}

async function detailOf(answer) {
  try {
    const { detail } = await answer.json();
    return typeof detail === "string" ? detail : JSON.stringify(detail);
  } catch {
    return `the server says ${answer.status}`;
  }
}
