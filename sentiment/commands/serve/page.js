"use strict";
const find = (id) => document.getElementById(id);
const REFRESH_MS = 2000; // between two requests for the counts
const TYPING_PAUSE_MS = 180; // after the last key, before a text is sent
const MAX_BARS = 6; // labels in a chart
const MAX_LABEL_LENGTH = 80; // characters
const routes = new Map();
let token = sessionStorage.getItem("token") || "";
let pendingRequest = null;
let timer = 0;
let busy = false;
let lastCount = null;

function make(name, content, className) {
  const element = document.createElement(name);
  element.textContent = content; // never read as HTML
  if (className) element.className = className;
  return element;
}

const percent = (share) => {
  // A probability that rounds to certainty is not shown as one.
  const digits = (100 * share).toFixed(1);
  return share < 1 && digits === "100.0" ? "> 99.9 %" : `${digits} %`;
};
const count = (number) => number.toLocaleString("en-US");
const sum = (numbers) => Object.values(numbers || {}).reduce((a, b) => a + b, 0);
const shorten = (uri) => uri.split("/").slice(-1)[0].replace(/^(.{12}).{4,}$/, "$1\u2026");

// Marks that change the direction of writing are escaped, since they would reverse later text.
function nameLabel(label) {
  if (!label) return "(no label)";
  const escaped = label.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (mark) =>
    /[\u200c\u200d]/.test(mark) ? mark : escapeMark(mark));
  const letters = [...escaped];
  if (letters.length <= MAX_LABEL_LENGTH) return escaped;
  const half = MAX_LABEL_LENGTH / 2;
  return `${letters.slice(0, half).join("")}\u2026${letters.slice(1 - half).join("")}`;
}
const escapeMark = (mark) =>
  mark < " " ? JSON.stringify(mark).slice(1, -1)
    : `\\u${mark.codePointAt(0).toString(16).padStart(4, "0")}`;
// Isolates a label in a sentence, since the direction of its writing may differ.
const isolate = (label) => `\u2068${nameLabel(label)}\u2069`;

function report(problem) {
  find("problem").textContent = problem;
  find("problem").hidden = !problem;
}

async function call(path, options = {}) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) {
    find("access").hidden = false;
    if (token) report("The server does not know this token.");
    throw new DOMException("", "AbortError");
  }
  find("access").hidden = true;
  const content = await response.json();
  if (!response.ok) throw new Error(content.error);
  return content;
}

function drawBars(chart, shares, describe, predicted) {
  const sorted = Object.entries(shares).sort((a, b) => b[1] - a[1]).slice(0, MAX_BARS);
  chart.replaceChildren(
    ...sorted.map(([label, share]) => {
      const bar = make("div", "", label === predicted ? "bar first" : "bar");
      const line = make("i", "");
      line.style.setProperty("--share", `${100 * share}%`);
      const name = make("b", nameLabel(label));
      name.dir = "auto";
      bar.append(name, make("span", describe(label, share), "number"), line);
      return bar;
    }),
  );
}

function paint(words) {
  const largest = Math.max(...words.map(([, weight]) => Math.abs(weight)), 1e-9);
  return words.map(([word, weight]) => {
    const share = Math.abs(weight) / largest;
    if (share < 0.02 || !word.trim()) return document.createTextNode(word);
    const kind = `${weight > 0 ? "for" : "against"}${share > 0.4 ? " strong" : ""}`;
    const mark = make("mark", word, kind);
    mark.style.setProperty("--strength", (0.06 + 0.4 * share).toFixed(3));
    mark.title = (weight > 0 ? "+" : "") + weight.toFixed(2);
    return mark;
  });
}

function drawCard(role, explanation) {
  const card = find("card").content.cloneNode(true).firstElementChild;
  const title = card.querySelector("h2");
  title.textContent = role;
  title.id = `role-${role}`;
  card.setAttribute("aria-labelledby", title.id);
  card.querySelector("strong").textContent = nameLabel(explanation.prediction);
  card.querySelector(".answer span").textContent = percent(explanation.probability);
  const describe = (_, share) => percent(share);
  const { probabilities, prediction } = explanation;
  drawBars(card.querySelector(".bars"), probabilities, describe, prediction);
  const words = card.querySelector(".words");
  words.setAttribute("aria-label", `Words in the eyes of the ${role.toLowerCase()}`);
  if (explanation.words) words.replaceChildren(...paint(explanation.words));
  else words.replaceChildren(make("span", explanation.reason, "facts"));
  card.querySelector("details").hidden = !explanation.terms || !explanation.terms.length;
  card.querySelector("th + th").textContent =
    `${explanation.unit} of ${isolate(explanation.explained)}`;
  card.querySelector("tbody").append(
    ...(explanation.terms || []).map(([term, effect]) => {
      const row = make("tr", "");
      const visible = term.replace(/^ +| +$/g, (spaces) => "␣".repeat(spaces.length));
      row.append(make("td", visible), make("td", (effect > 0 ? "+" : "") + effect.toFixed(2)));
      return row;
    }),
  );
  card.querySelector(".uri").textContent = explanation.model;
  return card;
}

// Without an alias or a challenger, the only model is not called a champion.
function nameFirst(route) {
  return route.challenger || route.champion.version ? "Champion" : "Model";
}

function show({ champion, challenger }) {
  const first = nameFirst(routes.get(find("route").value));
  const cards = [drawCard(first, champion)];
  let summary = `${isolate(champion.prediction)}, ${percent(champion.probability)}`;
  if (challenger) {
    cards.push(drawCard("Challenger", challenger));
    const agree = champion.prediction === challenger.prediction;
    summary = agree
      ? `Both models say ${isolate(champion.prediction)}.`
      : `The models differ: ${isolate(champion.prediction)} and ` +
        `${isolate(challenger.prediction)}.`;
  }
  // Open details stay open while a person types.
  const open = [...document.querySelectorAll("#cards details")].map((details) => details.open);
  cards.forEach((card, i) => (card.querySelector("details").open = open[i] || false));
  find("cards").replaceChildren(...cards);
  find("summary").textContent = summary;
  find("legend").hidden = !cards.some((card) => card.querySelector("mark"));
}

function clear() {
  find("cards").replaceChildren();
  find("summary").textContent = "The answer appears while you type.";
  find("legend").hidden = true;
  report("");
}

async function ask() {
  if (pendingRequest) pendingRequest.abort();
  const text = find("text").value;
  find("clear").disabled = !text;
  if (!text.trim()) {
    busy = false;
    find("cards").classList.remove("waiting");
    clear();
    return;
  }
  const request = (pendingRequest = new AbortController());
  find("cards").classList.add("waiting");
  const body = { text };
  const inputs = [...document.querySelectorAll("#columns input")];
  if (inputs.length) body.columns = Object.fromEntries(inputs.map((i) => [i.name, i.value || null]));
  try {
    const name = encodeURIComponent(find("route").value);
    const options = { method: "POST", body: JSON.stringify(body), signal: request.signal };
    const explanations = await call(`models/${name}/explain`, options);
    if (request !== pendingRequest) return;
    show(explanations);
    report("");
  } catch (problem) {
    if (request !== pendingRequest || problem.name === "AbortError") return;
    clear();
    report(problem instanceof TypeError ? "The server does not answer." : problem.message);
  } finally {
    if (request === pendingRequest) {
      busy = false;
      find("cards").classList.remove("waiting");
    }
  }
}

function askSoon() {
  busy = true;
  clearTimeout(timer);
  timer = setTimeout(ask, TYPING_PAUSE_MS);
}

function drawFacts(facts) {
  find("counts").replaceChildren(
    ...Object.entries(facts).map(([name, value]) => {
      const fact = make("div", "");
      fact.append(make("dt", name), make("dd", value));
      return fact;
    }),
  );
}

function drawCounts() {
  const route = routes.get(find("route").value);
  const answered = sum(route.requests);
  const now = performance.now();
  const last = lastCount;
  const isComparable = last && last.name === route.name && answered >= last.answered;
  const seconds = isComparable ? Math.max(now - last.at, 1) / 1000 : 1;
  const rate = isComparable ? (answered - last.answered) / seconds : 0;
  lastCount = { name: route.name, answered, at: now };
  const facts = {
    "Requests": count(answered),
    "Per second": rate < 10 ? rate.toFixed(1) : count(Math.round(rate)),
    "Rejected texts": count(sum(route.rejected)),
  };
  const compared = sum(route.shadow);
  if (compared) facts["Shadow agrees"] = percent((route.shadow.true || 0) / compared);
  else if (route.challenger) facts["Challenger's share"] = percent(route.share);
  drawFacts(facts);
  const models = [[nameFirst(route), route.champion], ["Challenger", route.challenger]];
  find("labels").replaceChildren(
    ...models
      .filter(([, model]) => model)
      .map(([role, model]) => {
        const box = make("div", "");
        const labels = (route.predictions || {})[model.uri] || {};
        const total = sum(labels);
        const name = model.version ? `version ${model.version}` : shorten(model.uri);
        box.append(make("h3", `${role} (${name}): ${count(total)} predictions`), make("div", ""));
        const shares = Object.fromEntries(
          Object.entries(labels).map(([label, number]) => [label, number / total]),
        );
        const describe = (label, share) => `${count(labels[label])} (${percent(share)})`;
        drawBars(box.lastElementChild, shares, describe, "");
        return box;
      }),
  );
}

function drawColumns() {
  const { champion } = routes.get(find("route").value);
  find("columns").replaceChildren(
    ...champion.columns.map((name) => {
      const label = make("label", name);
      const input = document.createElement("input");
      input.name = name;
      input.addEventListener("input", askSoon);
      label.append(input);
      return label;
    }),
  );
}

async function refresh() {
  try {
    const { models } = await call("models");
    const isFirst = !routes.size;
    routes.clear();
    models.forEach((model) => routes.set(model.name, model));
    if (isFirst) {
      find("route").replaceChildren(...models.map(({ name }) => new Option(name, name)));
      find("choice").hidden = models.length < 2;
      drawColumns();
      if (find("text").value) askSoon();
    }
    drawCounts();
    find("pulse").className = "on";
  } catch {
    find("pulse").className = "";
  }
}

// A link may contain a text, which browsers do not send to a server: /#text=A%20gem.
const linkedText = new URLSearchParams(location.hash.slice(1)).get("text");
if (linkedText) find("text").value = linkedText;
find("text").addEventListener("input", askSoon);
find("route").addEventListener("change", () => {
  drawColumns();
  drawCounts();
  clear();
  ask();
});
function empty() {
  find("text").value = "";
  find("text").focus();
  ask();
}
find("clear").addEventListener("click", empty);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && find("text").value) empty();
});
find("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = find("token").value;
  sessionStorage.setItem("token", token);
  report("");
  refresh().then(() => find("text").focus());
});
refresh();
setInterval(() => document.hidden || refresh(), REFRESH_MS);
