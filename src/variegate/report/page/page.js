"use strict";
// The sample browser. Model output is hostile: it reaches the page through textContent only.
(() => {
  const box = document.getElementById("browser");
  const source = document.getElementById("data");
  if (!box || !source) return;
  const data = JSON.parse(source.textContent);
  const at = (id) => document.getElementById(id);
  const make = (tag, text, cls) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (cls) node.className = cls;
    return node;
  };
  const pre = (text) => {
    const node = make("pre", text || "(nothing)");
    node.dir = "auto";
    return node;
  };
  const fold = (title, texts) => {
    const node = make("details");
    node.append(make("summary", title), ...texts.map(pre));
    return node;
  };

  const said = (group) => {
    const verdict = group.c === undefined ? "" : group.c ? "right" : "wrong";
    const node = make("div", undefined, ("said " + verdict).trim());
    const about = make("p", undefined, "about");
    if (group.n > 1) about.append(make("b", group.n + "×"), " ");
    if (verdict) about.append(make("span", (group.c ? "✓ " : "✗ ") + verdict));
    if (group.f) about.append(" ", make("i", group.f));
    node.append(about, pre(group.t));
    if (group.o) node.append(fold(group.o.length + " other wording" + (group.o.length > 1 ? "s" : ""), group.o));
    if (group.r) node.append(fold("reasoning" + (group.r.length > 1 ? " (" + group.r.length + ")" : ""), group.r));
    return node;
  };

  const row = (head, cells) => {
    const line = make("tr");
    const name = make("th", head);
    name.scope = "row";
    line.append(name, ...cells);
    return line;
  };

  const tasks = [...new Set(data.prompts.map((prompt) => prompt.task))];
  let current = 0;

  const heads = make("tr");
  heads.append(make("td"), ...data.columns.map(([name, colour]) => {
    const cell = make("th", name, colour);
    cell.scope = "col";
    return cell;
  }));
  at("heads").append(heads);
  at("task").append(...tasks.map((task) => new Option(task, task)));

  const fill = (task) => {
    const options = [];
    let number = 0;
    data.prompts.forEach((prompt, i) => {
      if (prompt.task !== task) return;
      number += 1;
      const words = (prompt.prompt || prompt.id).replace(/\s+/g, " ");
      options.push(new Option(number + "  " + (words.length > 70 ? words.slice(0, 70) + "…" : words), String(i)));
    });
    at("prompt").replaceChildren(...options);
  };

  const show = (index) => {
    const before = data.prompts[current];
    current = Math.max(0, Math.min(index, data.prompts.length - 1));
    const prompt = data.prompts[current];
    if (!at("prompt").length || prompt.task !== before.task) fill(prompt.task);
    at("task").value = prompt.task;
    at("prompt").value = String(current);
    at("place").textContent = (current + 1) + " of " + data.prompts.length;
    at("asked").textContent = prompt.prompt || prompt.id;
    at("numbers").replaceChildren(...prompt.numbers.map((values, i) =>
      row(data.metrics[i], values.map((value) => make("td", value)))));
    at("cells").replaceChildren(row("outputs", prompt.cells.map((groups) => {
      const cell = make("td");
      cell.append(...(groups.length ? groups.map(said) : [make("p", "none", "quiet")]));
      return cell;
    })));
    at("previous").disabled = current === 0;
    at("next").disabled = current === data.prompts.length - 1;
  };

  at("task").addEventListener("change", (event) =>
    show(data.prompts.findIndex((prompt) => prompt.task === event.target.value)));
  at("prompt").addEventListener("change", (event) => show(Number(event.target.value)));
  at("previous").addEventListener("click", () => show(current - 1));
  at("next").addEventListener("click", () => show(current + 1));
  document.addEventListener("keydown", (event) => {
    const step = { j: 1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, #task")) return;
    event.preventDefault();
    show(current + step);
    const { top, bottom } = box.getBoundingClientRect();
    if (top > innerHeight - 120 || bottom < 120) box.scrollIntoView({ block: "start" });
  });

  box.hidden = false;
  show(0);
})();
