"use strict";
const find = (id) => document.getElementById(id);
const EVERY = 2000; // milliseconds between two looks at the counts
const PAUSE = 180; // and after the last key, before a text is sent
const SHOWN = 6; // labels of a chart
const LONGEST = 80; // characters of a label
const routes = new Map();
let token = sessionStorage.getItem("token") || "";
let asking = null;
let timer = 0;
let busy = false;
let before = null;

function make(name, content, kind) {
  const made = document.createElement(name);
  made.textContent = content; // never read as HTML
  if (kind) made.className = kind;
  return made;
}

const percent = (share) => {
  // A probability that rounds to certainty is not shown as one.
  const digits = (100 * share).toFixed(1);
  return share < 1 && digits === "100.0" ? "> 99.9 %" : `${digits} %`;
};
const count = (number) => number.toLocaleString("en-US");
const sum = (numbers) => Object.values(numbers || {}).reduce((a, b) => a + b, 0);
const shorten = (uri) => uri.split("/").slice(-1)[0].replace(/^(.{12}).{4,}$/, "$1\u2026");

// Marks that change the direction of writing are escaped, since they would reverse what follows.
function nameLabel(label) {
  if (!label) return "(no label)";
  const shown = label.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (mark) =>
    /[\u200c\u200d]/.test(mark) ? mark : escapeMark(mark));
  const letters = [...shown];
  if (letters.length <= LONGEST) return shown;
  const half = LONGEST / 2;
  return `${letters.slice(0, half).join("")}\u2026${letters.slice(1 - half).join("")}`;
}
const escapeMark = (mark) =>
  mark < " " ? JSON.stringify(mark).slice(1, -1)
    : `\\u${mark.codePointAt(0).toString(16).padStart(4, "0")}`;
// Isolates a label in a sentence, whose direction may be another one.
const isolate = (label) => `\u2068${nameLabel(label)}\u2069`;

function report(problem) {
  find("problem").textContent = problem;
  find("problem").hidden = !problem;
}

async function call(path, options = {}) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) {
    find("access").hidden = false;
    if (token) report("The server does not know this token.");
    throw new DOMException("", "AbortError");
  }
  find("access").hidden = true;
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

function drawBars(place, shares, describe, first) {
  const sorted = Object.entries(shares).sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
  place.replaceChildren(
    ...sorted.map(([label, share]) => {
      const bar = make("div", "", label === first ? "bar first" : "bar");
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
  const most = Math.max(...words.map(([, weight]) => Math.abs(weight)), 1e-9);
  return words.map(([word, weight]) => {
    const share = Math.abs(weight) / most;
    if (share < 0.02 || !word.trim()) return document.createTextNode(word);
    const kind = `${weight > 0 ? "for" : "against"}${share > 0.4 ? " strong" : ""}`;
    const mark = make("mark", word, kind);
    mark.style.setProperty("--strength", (0.06 + 0.4 * share).toFixed(3));
    mark.title = (weight > 0 ? "+" : "") + weight.toFixed(2);
    return mark;
  });
}

function drawCard(role, found) {
  const card = find("card").content.cloneNode(true).firstElementChild;
  const title = card.querySelector("h2");
  title.textContent = role;
  title.id = `role-${role}`;
  card.setAttribute("aria-labelledby", title.id);
  card.querySelector("strong").textContent = nameLabel(found.prediction);
  card.querySelector(".answer span").textContent = percent(found.probability);
  const show = (_, share) => percent(share);
  drawBars(card.querySelector(".bars"), found.probabilities, show, found.prediction);
  const words = card.querySelector(".words");
  words.setAttribute("aria-label", `Words in the eyes of the ${role.toLowerCase()}`);
  if (found.words) words.replaceChildren(...paint(found.words));
  else words.replaceChildren(make("span", found.reason, "facts"));
  card.querySelector("details").hidden = !found.terms || !found.terms.length;
  card.querySelector("th + th").textContent = `log-odds of ${isolate(found.explained)}`;
  card.querySelector("tbody").append(
    ...(found.terms || []).map(([term, added]) => {
      const row = make("tr", "");
      const shown = term.replace(/^ +| +$/g, (spaces) => "␣".repeat(spaces.length));
      row.append(make("td", shown), make("td", (added > 0 ? "+" : "") + added.toFixed(2)));
      return row;
    }),
  );
  card.querySelector(".uri").textContent = found.model;
  return card;
}

// Without an alias and a challenger, a model is no champion of anything.
function nameFirst(route) {
  return route.challenger || route.champion.version ? "Champion" : "Model";
}

function show(found) {
  const first = nameFirst(routes.get(find("route").value));
  const cards = [drawCard(first, found.champion)];
  let summary = `${isolate(found.champion.prediction)}, ${percent(found.champion.probability)}`;
  if (found.challenger) {
    cards.push(drawCard("Challenger", found.challenger));
    const agree = found.champion.prediction === found.challenger.prediction;
    summary = agree
      ? `Both models say ${isolate(found.champion.prediction)}.`
      : `The models differ: ${isolate(found.champion.prediction)} and ` +
        `${isolate(found.challenger.prediction)}.`;
  }
  // What is open stays open while a person types.
  const open = [...document.querySelectorAll("#cards details")].map((one) => one.open);
  cards.forEach((card, place) => (card.querySelector("details").open = open[place] || false));
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
  if (asking) asking.abort();
  const text = find("text").value;
  find("clear").disabled = !text;
  if (!text.trim()) {
    busy = false;
    find("cards").classList.remove("waiting");
    clear();
    return;
  }
  const own = (asking = new AbortController());
  find("cards").classList.add("waiting");
  const body = { text };
  const inputs = [...document.querySelectorAll("#columns input")];
  if (inputs.length) body.columns = Object.fromEntries(inputs.map((i) => [i.name, i.value || null]));
  try {
    const name = encodeURIComponent(find("route").value);
    const options = { method: "POST", body: JSON.stringify(body), signal: own.signal };
    const found = await call(`models/${name}/explain`, options);
    if (own !== asking) return;
    show(found);
    report("");
  } catch (problem) {
    if (own !== asking || problem.name === "AbortError") return;
    clear();
    report(problem instanceof TypeError ? "The server does not answer." : problem.message);
  } finally {
    if (own === asking) {
      busy = false;
      find("cards").classList.remove("waiting");
    }
  }
}

function askSoon() {
  busy = true;
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE);
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
  const same = before && before.name === route.name && answered >= before.answered;
  const rate = same ? (1000 * (answered - before.answered)) / Math.max(now - before.at, 1) : 0;
  before = { name: route.name, answered, at: now };
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
        const all = sum(labels);
        const name = model.version ? `version ${model.version}` : shorten(model.uri);
        box.append(make("h3", `${role} (${name}): ${count(all)} predictions`), make("div", ""));
        const shares = Object.fromEntries(
          Object.entries(labels).map(([label, number]) => [label, number / all]),
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

async function look() {
  try {
    const { models } = await call("models");
    const first = !routes.size;
    routes.clear();
    models.forEach((model) => routes.set(model.name, model));
    if (first) {
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

// A link may hold a text, which no server sees: /#text=A%20gem.
const given = new URLSearchParams(location.hash.slice(1)).get("text");
if (given) find("text").value = given;
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
  look().then(() => find("text").focus());
});
look();
setInterval(() => document.hidden || look(), EVERY);
