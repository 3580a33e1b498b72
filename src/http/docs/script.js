
"use strict";
// Reads openapi.json and shows it. Everything from there becomes text, never markup.

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; children that are texts stay texts. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** `**strong**` and `code` inside of a paragraph; nothing else is written in the description. */
function inline(text) {
  return text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part) => {
    if (part.startsWith("**")) return make("strong", {}, part.slice(2, -2));
    if (part.startsWith("`")) return make("code", {}, part.slice(1, -1));
    return part;
  });
}

const paragraphs = (text) => text.split(/\n\n+/).map((paragraph) => make("p", {}, inline(paragraph)));

let api = {};

/** The thing itself where the document refers to it. */
function resolved(thing) {
  if (!thing || !thing.$ref) return thing || {};
  return thing.$ref.replace(/^#\//, "").split("/").reduce((place, key) => (place || {})[key], api) || {};
}

/* Schemas. */

function kindOf(schema) {
  schema = resolved(schema);
  const types = [].concat(schema.type || "anything");
  const words = types.map((type) => {
    if (type === "array") return `list of ${kindOf(schema.items || {})}`;
    if (type === "string" && schema.format === "date-time") return "time";
    return { string: "text", boolean: "true or false", null: "null" }[type] || type;
  });
  return words.join(" or ") + (schema.uniqueItems ? ", each once" : "");
}

/** The object whose fields are worth showing: the schema itself, or what its list holds. */
function objectIn(schema) {
  schema = resolved(schema);
  if (schema.properties && Object.keys(schema.properties).length) return schema;
  return schema.items ? objectIn(schema.items) : null;
}

function field(name, schema, required, note) {
  schema = resolved(schema);
  const choices = schema.enum ? ["one of ", ...schema.enum.flatMap((value, at) => [at ? ", " : "", make("code", {}, JSON.stringify(value))])] : [];
  const inner = objectIn(schema);
  return make("div", {},
    make("dt", {}, make("code", {}, name), make("span", { class: "kind" }, kindOf(schema)), required ? make("span", { class: "must" }, "required") : null),
    choices.length ? make("dd", {}, choices) : null,
    schema.description ? make("dd", {}, inline(schema.description)) : null,
    note ? make("dd", {}, inline(note)) : null,
    inner ? make("dd", {}, fields(inner)) : null);
}

function fields(schema) {
  const required = schema.required || [];
  return make("dl", { class: "fields" }, Object.entries(schema.properties).map(([name, inner]) => field(name, inner, required.includes(name))));
}

/* Examples. */

function coloured(text) {
  const pattern = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(pattern)) {
    parts.push(text.slice(last, match.index));
    const kind = match[2] ? "key" : match[1] ? "string" : "number";
    parts.push(make("span", { class: kind }, match[1] || match[0]), match[2] || "");
    last = match.index + match[0].length;
  }
  return [...parts, text.slice(last)];
}

function sample(caption, text, isJson) {
  const copy = make("button", { type: "button", "aria-label": `Copy: ${caption}` }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
  return make("figure", { class: "sample" },
    make("figcaption", {}, caption, navigator.clipboard ? copy : null),
    make("pre", { tabindex: "0", "aria-label": caption }, make("code", {}, isJson ? coloured(text) : text)));
}

const shown = (value) => (typeof value === "string" ? value.trimEnd() : JSON.stringify(value, null, 2));

/** Every example of an operation: what was sent and what came back have the same key. */
function examplesOf(operation) {
  const examples = new Map();
  const at = (key) => examples.get(key) || examples.set(key, { key }).get(key);
  for (const [key, request] of Object.entries(operation["x-requests"] || {})) Object.assign(at(key), request);
  const bodies = resolved(operation.requestBody).content || {};
  for (const [key, example] of Object.entries((bodies["application/json"] || {}).examples || {})) {
    Object.assign(at(key), { title: example.summary, body: example.value });
  }
  for (const response of Object.values(operation.responses)) {
    for (const content of Object.values(resolved(response).content || {})) {
      for (const [key, example] of Object.entries(content.examples || {})) {
        Object.assign(at(key), { title: example.summary, answer: example.value });
      }
    }
  }
  // In the order of the record, but what succeeds before what is refused.
  return [...examples.values()].filter((example) => example.status).sort((one, other) => (one.status >= 400) - (other.status >= 400));
}

function curl(operation, example, method, path) {
  const line = (example.line || path).replace(/^[A-Z]+ /, "");
  const parts = [`curl -sS ${method === "get" || (method === "post" && example.body !== undefined) ? "" : `-X ${method.toUpperCase()} `}"$SITE${line}"`];
  const [scheme] = operation.security || [];
  if (scheme) parts.push(scheme.bearer ? '-H "Authorization: Bearer $TOKEN"' : '-H "X-User-Id: $USER_ID" -H "X-Auth-Token: $TOKEN"');
  for (const [name, value] of Object.entries(example.headers || {})) parts.push(`-H '${name}: ${value}'`);
  if (example.body !== undefined) {
    parts.push('-H "Content-Type: application/json"', `-d '${JSON.stringify(example.body).replaceAll("'", "'\\''")}'`);
  }
  return parts.join(" \\\n  ");
}

function panel(operation, example, method, path) {
  const answer = example.answer === undefined ? null : sample(`Answer, ${example.status}`, shown(example.answer), typeof example.answer !== "string");
  return [sample("Request", curl(operation, example, method, path), false), answer];
}

function statusMark(status) {
  return make("span", { class: Number(status) < 400 ? "status fine" : "status" }, String(status));
}

/** Examples behind tabs, which the arrow keys go through. */
function exampleTabs(operation, method, path) {
  const examples = examplesOf(operation);
  if (!examples.length) return [make("p", { class: "none" }, "There is no example.")];
  const id = operation.operationId;
  const place = make("div", { role: "tabpanel", id: `${id}-example`, tabindex: "-1" });
  const tabs = examples.map((example, at) => make("button", {
    type: "button", role: "tab", id: `${id}-tab-${at}`, "aria-controls": `${id}-example`,
  }, statusMark(example.status), example.title || "Request"));
  const choose = (chosen) => {
    tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === chosen));
      tab.tabIndex = at === chosen ? 0 : -1;
    });
    place.setAttribute("aria-labelledby", tabs[chosen].id);
    place.replaceChildren(...panel(operation, examples[chosen], method, path).filter(Boolean));
  };
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => choose(at));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = (at + step + tabs.length) % tabs.length;
      choose(next);
      tabs[next].focus();
    });
  });
  choose(0);
  return [make("div", { class: "tabs", role: "tablist", "aria-label": `Examples of ${id}` }, tabs), place];
}

/* Operations. */

function badges(operation) {
  const rule = operation["x-permission"];
  const rate = operation["x-rate-limit"];
  const items = [];
  const permissions = (anyOf) => anyOf.flatMap((name, at) => [at ? " or " : "", make("b", {}, name)]);
  const needs = (one) => make("li", { class: "permission" }, "needs ", permissions(one.anyOf), `${one.orOneself ? " about others" : ""}, else ${one.refusedWith}${one.checked === "late" ? ", asked for late" : ""}`);
  if (!rule) items.push(make("li", {}, "no account needed"));
  else if (!rule.anyOf.length) items.push(make("li", {}, rule.of ? "every member" : "every account"));
  else items.push(needs(rule));
  if (rule && rule.then) items.push(needs(rule.then));
  if (operation["x-second-factor"]) items.push(make("li", {}, "asks for a second factor"));
  if (rate && rate.calls !== null) {
    items.push(make("li", { title: `Settings ${rate.settings.join(", ")}` }, `${rate.calls} per ${rate.milliseconds / 1000} s and address`));
  }
  return make("ul", { class: "badges", "aria-label": "Who may call it, and how often" }, items);
}

function parametersOf(operation) {
  const parts = [];
  for (const [where, title] of [["path", "In the path"], ["query", "In the query"], ["header", "In the header"]]) {
    const here = (operation.parameters || []).map(resolved).filter((parameter) => parameter.in === where);
    if (here.length) {
      parts.push(make("h4", {}, title), make("dl", { class: "fields" }, here.map((one) => field(one.name, one.schema, one.required, one.description))));
    }
  }
  const content = resolved(operation.requestBody).content || {};
  const json = content["application/json"];
  if (json) {
    const schema = objectIn(json.schema);
    parts.push(make("h4", {}, content["application/x-www-form-urlencoded"] ? "Body, JSON or form" : "Body, JSON"));
    parts.push(schema ? fields(schema) : make("p", { class: "none" }, "Nothing that is read."));
  }
  return parts.length ? parts : [make("h4", {}, "Parameters"), make("p", { class: "none" }, "None.")];
}

function answersOf(operation) {
  const items = Object.entries(operation.responses).map(([status, response]) => {
    response = resolved(response);
    const schema = Number(status) < 400 && Object.values(response.content || {}).map((content) => objectIn(content.schema)).find(Boolean);
    const inner = schema ? make("details", {}, make("summary", {}, "Fields of the answer"), fields(schema)) : null;
    return make("li", {}, statusMark(status), make("div", {}, inline(response.description), inner));
  });
  return [make("h4", {}, "Answers"), make("ul", { class: "statuses" }, items)];
}

function operationCard({ method, path, operation }) {
  const id = operation.operationId;
  const address = path.replace(/^\/api\/v1\//, "");
  const pieces = address.split(/(?<=[./])/).flatMap((piece) => [piece, make("wbr")]);
  const prefix = address === path ? null : make("span", { class: "kind" }, "/api/v1/");
  const examples = make("div", { class: "shown" });
  const card = make("article", { class: "operation", id, "aria-labelledby": `${id}-name` },
    make("header", { class: "head" },
      make("h3", { id: `${id}-name` }, make("span", { class: `method ${method}` }, method.toUpperCase()), make("a", { href: `#${id}` }, prefix, pieces)),
      make("p", { class: "summary" }, operation.summary),
      badges(operation)),
    make("div", { class: "parts" }, make("div", { class: "told" }, parametersOf(operation), answersOf(operation)), examples));
  examples.append(make("h4", {}, "Examples"), ...exampleTabs(operation, method, path));
  return card;
}

/* The page. */

const entries = [];

function build() {
  const groups = new Map(api.tags.map((tag) => [tag.name, { tag, entries: [] }]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      groups.get(operation.tags[0]).entries.push({ method, path, operation });
    }
  }
  byId("introduction").append(...paragraphs(api.info.description));
  for (const { tag, entries: members } of groups.values()) {
    const section = make("section", { class: "group", "aria-labelledby": `group-${tag.name}` }, make("h2", { id: `group-${tag.name}` }, tag.name), tag.description ? make("p", {}, tag.description) : null);
    const heading = make("h2", {}, tag.name);
    const list = make("ul");
    for (const entry of members) {
      const card = operationCard(entry);
      const short = entry.path.replace(/^\/api\/v1\//, "");
      const link = make("a", { href: `#${entry.operation.operationId}`, title: entry.operation.summary }, make("span", { class: `method ${entry.method}` }, entry.method.toUpperCase()), make("span", {}, short.split(/(?<=[./])/).flatMap((piece) => [piece, make("wbr")])));
      const line = make("li", {}, link);
      list.append(line);
      section.append(card);
      const rule = entry.operation["x-permission"] || { anyOf: [] };
      const words = [entry.method, entry.path, entry.operation.summary, tag.name, ...rule.anyOf, ...(rule.then ? rule.then.anyOf : [])];
      entries.push({ card, line, link, section, heading, list, text: words.join(" ").toLowerCase() });
    }
    byId("contents").append(heading, list);
    byId("operations").append(section);
  }
}

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const entry of entries) {
    const fits = words.every((word) => entry.text.includes(word));
    entry.card.hidden = entry.line.hidden = !fits;
    count += fits ? 1 : 0;
  }
  for (const { section, heading, list } of entries) {
    const empty = ![...list.children].some((line) => !line.hidden);
    section.hidden = heading.hidden = list.hidden = empty;
  }
  byId("top").hidden = words.length > 0;
  byId("nothing").hidden = count > 0;
  byId("found").textContent = words.length ? `${count} of ${entries.length}` : `${entries.length} operations`;
}

/** The operation that is read stands out at the side. */
function follow() {
  const visible = new Set();
  const observer = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) visible[isIntersecting ? "add" : "delete"](target);
    const first = entries.find((entry) => visible.has(entry.card));
    for (const entry of entries) {
      if (entry === first) entry.link.setAttribute("aria-current", "true");
      else entry.link.removeAttribute("aria-current");
    }
    if (first && !byId("contents").matches(":hover, .open")) {
      const nav = byId("contents");
      const top = first.link.offsetTop - nav.offsetTop;
      if (top < nav.scrollTop || top > nav.scrollTop + nav.clientHeight - 60) nav.scrollTop = top - nav.clientHeight / 2;
    }
  }, { rootMargin: "-70px 0px -45% 0px" });
  entries.forEach((entry) => observer.observe(entry.card));
}

function showMenu(open) {
  byId("contents").classList.toggle("open", open);
  if (open) byId("contents").scrollTop = 0;
  byId("menu").setAttribute("aria-expanded", String(open));
}

function remembered(theme) {
  // A browser may refuse to remember anything; then the page is as the system is.
  try {
    if (theme) localStorage.setItem("theme", theme);
    return localStorage.getItem("theme");
  } catch {
    return theme;
  }
}

function listen() {
  const field = byId("search");
  field.addEventListener("input", search);
  field.form.addEventListener("submit", (event) => event.preventDefault());
  byId("all").addEventListener("click", () => { field.value = ""; search(); field.focus(); });
  byId("menu").addEventListener("click", () => showMenu(!byId("contents").classList.contains("open")));
  byId("contents").addEventListener("click", (event) => { if (event.target.closest("a")) showMenu(false); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input") && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      field.focus();
      field.select();
    }
    if (event.key !== "Escape") return;
    if (byId("contents").classList.contains("open")) { showMenu(false); byId("menu").focus(); }
    else if (event.target === field) { field.value = ""; search(); }
  });
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    root.dataset.theme = remembered(dark ? "light" : "dark") || (dark ? "light" : "dark");
  });
}

/** A link to one operation leads there although the page is built after it was opened. */
function goToTarget() {
  const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
  if (target) location.replace(location.hash);
}

async function start() {
  document.documentElement.classList.add("scripted");
  const theme = remembered();
  if (theme) document.documentElement.dataset.theme = theme;
  listen();
  try {
    const answer = await fetch("openapi.json");
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    api = await answer.json();
    build();
  } catch (error) {
    byId("operations").append(make("p", { class: "trouble", role: "alert" }, `openapi.json could not be shown: ${error.message}`));
    return;
  }
  search();
  follow();
  goToTarget();
}

start();
