// Signs in, lists, changes, and says for each request who answered it and how long it took.
"use strict";

const STATUSES = ["todo", "in_progress", "done", "cancelled"];
const $ = (id) => document.getElementById(id);
let token = null;
let rows = 0;

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text; // never innerHTML: a title is somebody's text
  if (className) made.className = className;
  return made;
}

function record(what, answeredBy, inApplication, inBrowser) {
  const row = document.createElement("tr");
  const kind = { hit: "hit", miss: "miss" }[answeredBy];
  row.append(
    element("td", what),
    element("td", { hit: "cache", miss: "database (miss)" }[answeredBy] ?? answeredBy, kind),
    element("td", inApplication === null ? "–" : `${inApplication.toFixed(2)} ms`, "number"),
    element("td", `${inBrowser.toFixed(1)} ms`, "number wide-only"),
  );
  if (rows++ === 0) $("log").replaceChildren();
  $("log").prepend(row);
  if ($("log").children.length > 12) $("log").lastChild.remove();
}

async function ask(what, path, options = {}) {
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...options.headers };
  const started = performance.now();
  const reply = await fetch(path, { cache: "no-store", ...options, headers });
  const body = reply.status === 204 ? null : await reply.json();
  const inBrowser = performance.now() - started;
  const timing = /\bapp;dur=([\d.]+)/.exec(reply.headers.get("Server-Timing") ?? "");
  const cached = (reply.headers.get("X-Cache") ?? "").toLowerCase();
  const method = options.method ?? "GET";
  const wrote = { PATCH: "database (write)", POST: "password check" }[method];
  record(what, wrote ?? (cached || "database"), timing && Number(timing[1]), inBrowser);
  if (!reply.ok) throw new Error(typeof body?.detail === "string" ? body.detail : `Status ${reply.status}`);
  return body;
}

function show(page) {
  $("total").textContent = `${page.items.length} of ${page.total}`;
  $("tasks").replaceChildren(...page.items.map(showTask));
}

function showTask(task) {
  const item = document.createElement("li");
  const choice = document.createElement("select");
  choice.setAttribute("aria-label", `Status of ${task.title}`);
  for (const status of STATUSES) choice.append(new Option(status.replace("_", " "), status));
  choice.value = task.status;
  choice.addEventListener("change", () => run(() => change(task, choice.value)));
  const people = task.assignees.map((who) => who.username).join(", ");
  item.append(element("span", task.title), element("span", people, "quiet"), choice);
  return item;
}

async function change(task, status) {
  await ask(`Task ${task.id} is ${status.replace("_", " ")}`, `/api/tasks/${task.id}`, {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ status }),
  });
  await list();
  $("said").textContent = `Task ${task.id} changed; its entries were invalidated, so the list came from the database.`;
}

async function list() {
  show(await ask("List tasks", "/api/tasks/?limit=10"));
}

async function count() {
  const found = await ask("Count tasks", "/api/tasks/statistics");
  const parts = STATUSES.map((status) => `${found.by_status[status]} ${status.replace("_", " ")}`);
  $("said").textContent = `${found.total} tasks: ${parts.join(", ")}; ${found.overdue} late.`;
}

async function signIn(event) {
  event.preventDefault();
  const body = new URLSearchParams(new FormData($("sign-in")));
  await run(async () => {
    token = null;
    token = (await ask("Sign in", "/api/auth/token", { method: "POST", body })).access_token;
    $("acts").hidden = false;
    await list();
  });
}

async function run(act) {
  $("said").textContent = "";
  try {
    await act();
  } catch (error) {
    $("said").textContent = error.message;
  }
}

$("sign-in").addEventListener("submit", signIn);
$("list").addEventListener("click", () => run(list));
$("statistics").addEventListener("click", () => run(count));
