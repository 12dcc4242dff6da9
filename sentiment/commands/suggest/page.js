"use strict";
const find = (id) => document.getElementById(id);
const labels = [...document.querySelectorAll("[data-label]")];
const isMultilabel = "several" in find("choices").dataset;
let state = null;
let busy = true;

function show(newState) {
  state = newState;
  const { number, total, labelled, skipped } = state;
  find("progress").value = number;
  find("count").textContent =
    `${number} of ${total} done: ${labelled} labelled, ${skipped} skipped`;
  // Texts are never read as HTML; only a tag for a line break becomes one.
  find("text").textContent = state.text.replace(/<br\s*\/?>/gi, "\n");
  find("text").hidden = state.done;
  find("text").scrollTop = 0;
  // The guess is isolated, since the direction of its writing may differ.
  const isolated = `\u2068${state.guess}\u2069`;
  const guess = state.guess ? `The model's guess: ${isolated} (${state.probability}). ` : "";
  // A visible guess would influence the answer.
  find("why").open = false;
  find("why").hidden = !state.reason;
  find("why").lastElementChild.textContent = guess + state.reason;
  find("choices").hidden = state.done;
  find("finished").hidden = !state.done;
  if (isMultilabel) labels.forEach((button) => button.setAttribute("aria-pressed", "false"));
  for (const id of isMultilabel ? ["skip", "save"] : ["skip"]) find(id).disabled = state.done;
  find("undo").disabled = number === 0;
  find("agreement").replaceChildren(
    ...state.agreement.map((line) => {
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

async function send(action, fields) {
  if (busy || !state) return;
  busy = true;
  try {
    const body = JSON.stringify({ number: state.number, ...fields });
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(action, { method: "POST", headers, body });
    const content = response.status === 400 ? {} : await response.json();
    if (response.ok || response.status === 409) {
      show(content);
      report("");
      if (action === "end") close();
    } else {
      report(content.problem || "This answer was not saved.");
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
  if (!isMultilabel) send("label", { labels: [button.dataset.label] });
  else if (!busy) button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
}

function save() {
  const pressed = labels.filter((button) => button.getAttribute("aria-pressed") === "true");
  send("label", { labels: pressed.map((button) => button.dataset.label) });
}

labels.forEach((button) => button.addEventListener("click", () => choose(button)));
if (isMultilabel) find("save").addEventListener("click", save);
find("skip").addEventListener("click", () => send("skip"));
find("undo").addEventListener("click", () => send("undo"));
find("end").addEventListener("click", () => send("end"));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !state) return;
  const button = labels[Number(event.key) - 1];
  const isOnOtherButton = event.target.closest("button:not([data-label]), summary");
  if (button && !state.done) choose(button);
  else if (isMultilabel && event.key === "Enter" && !isOnOtherButton && !state.done) save();
  else if (event.key === "s" && !state.done) send("skip");
  else if ((event.key === "u" || event.key === "Backspace") && state.number) send("undo");
  else return;
  event.preventDefault();
});

fetch("state")
  .then((response) => response.json())
  .then(show)
  .catch(() => report("The command does not answer. Is it still running?"))
  .finally(() => (busy = false));
