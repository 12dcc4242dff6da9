"use strict";
const find = (id) => document.getElementById(id);
const labels = [...document.querySelectorAll("[data-label]")];
const several = "several" in find("choices").dataset;
let state = null;
let busy = true;

function show(found) {
  state = found;
  const { number, total, labelled, skipped } = found;
  find("progress").value = number;
  find("count").textContent =
    `${number} of ${total} done: ${labelled} labelled, ${skipped} skipped`;
  // Texts are never read as HTML; a tag for a line break is shown as one.
  find("text").textContent = found.text.replace(/<br\s*\/?>/gi, "\n");
  find("text").hidden = found.done;
  find("text").scrollTop = 0;
  // The guess is isolated, since the direction of its writing may be another one.
  const isolated = `\u2068${found.guess}\u2069`;
  const guess = found.guess ? `The model's guess: ${isolated} (${found.probability}). ` : "";
  // A guess that is seen at once would sway the answer.
  find("why").open = false;
  find("why").hidden = !found.reason;
  find("why").lastElementChild.textContent = guess + found.reason;
  find("choices").hidden = found.done;
  find("finished").hidden = !found.done;
  if (several) labels.forEach((button) => button.setAttribute("aria-pressed", "false"));
  for (const id of several ? ["skip", "save"] : ["skip"]) find(id).disabled = found.done;
  find("undo").disabled = number === 0;
  find("agreement").replaceChildren(
    ...found.agreement.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }),
  );
}

function report(problem) {
  find("problem").textContent = problem;
  find("problem").hidden = !problem;
}

async function ask(name, more) {
  if (busy || !state) return;
  busy = true;
  try {
    const body = JSON.stringify({ number: state.number, ...more });
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(name, { method: "POST", headers, body });
    const found = answer.status === 400 ? {} : await answer.json();
    if (answer.ok || answer.status === 409) {
      show(found);
      report("");
      if (name === "end") close();
    } else {
      report(found.problem || "This answer was not saved.");
    }
  } catch {
    report("The command does not answer: this answer was not saved. Is it still running?");
  } finally {
    busy = false;
  }
}

function close() {
  document.querySelectorAll("button").forEach((button) => (button.disabled = true));
  state = null;
  find("text").hidden = find("why").hidden = true;
  find("closed").hidden = false;
}

function choose(button) {
  if (!several) ask("label", { labels: [button.dataset.label] });
  else if (!busy) button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
}

function save() {
  const chosen = labels.filter((button) => button.getAttribute("aria-pressed") === "true");
  ask("label", { labels: chosen.map((button) => button.dataset.label) });
}

labels.forEach((button) => button.addEventListener("click", () => choose(button)));
if (several) find("save").addEventListener("click", save);
find("skip").addEventListener("click", () => ask("skip"));
find("undo").addEventListener("click", () => ask("undo"));
find("end").addEventListener("click", () => ask("end"));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !state) return;
  const button = labels[Number(event.key) - 1];
  const elsewhere = event.target.closest("button:not([data-label]), summary");
  if (button && !state.done) choose(button);
  else if (several && event.key === "Enter" && !elsewhere && !state.done) save();
  else if (event.key === "s" && !state.done) ask("skip");
  else if ((event.key === "u" || event.key === "Backspace") && state.number) ask("undo");
  else return;
  event.preventDefault();
});

fetch("state")
  .then((answer) => answer.json())
  .then(show)
  .catch(() => report("The command does not answer. Is it still running?"))
  .finally(() => (busy = false));
