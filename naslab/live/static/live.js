"use strict";
(() => {
  // Text of users comes as text; HTML comes from the server alone, which has escaped it.
  const LATER_SECONDS = 20;
  const COMPARE_SECONDS = 3;

  function make(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  async function get(address) {
    const answer = await fetch(address);
    const isJson = (answer.headers.get("content-type") || "").startsWith("application/json");
    if (!answer.ok) throw new Error(await answer.text());
    return isJson ? answer.json() : answer.text();
  }

  function listen(address, take, lost) {
    // A page that nobody sees asks for nothing; it opens the stream again when it is seen.
    let source = null;
    function close() {
      if (source) source.close();
      source = null;
    }
    function open() {
      if (source || document.visibilityState === "hidden") return;
      source = new EventSource(address);
      source.onmessage = (event) => { lost(""); take(JSON.parse(event.data)); };
      source.onerror = () => lost("connection lost, trying again");
    }
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") close(); else open();
    });
    addEventListener("pagehide", close);
    addEventListener("pageshow", open);
    open();
  }

  const drawn = () => { document.documentElement.dataset.drawn = "yes"; };

  // The list of studies

  function listPage(place) {
    const chosen = new Set();
    const lost = make("span", { class: "lost", role: "status" });
    const compare = make("button", { type: "button", disabled: "" }, "Compare the chosen");
    compare.onclick = () => location.assign(`/compare?studies=${[...chosen].join(",")}`);
    const body = make("tbody", { role: "rowgroup" });
    const heads = ["study", "state", "done", "rate", "time left", "failures", "strategy", "budget", "compare"];
    const names = make("tr", { role: "row" }, ...heads.map((each) => make("th", { scope: "col" }, each)));
    const table = make("table", { class: "stacked" }, make("thead", {}, names), body);
    place.append(make("h1", {}, "Studies"), make("p", { class: "lead" }, place.dataset.ledger),
      make("div", { class: "bar" }, compare, lost),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Studies" }, table));

    function row(study) {
      const box = make("input", { type: "checkbox", "aria-label": `compare ${study.name}` });
      box.checked = chosen.has(study.id);
      box.onchange = () => {
        if (box.checked) chosen.add(study.id); else chosen.delete(study.id);
        compare.disabled = chosen.size < 2;
      };
      const meter = make("span", { class: "meter" }, make("i"));
      meter.firstChild.style.width = `${Math.min(100, (100 * study.done) / Math.max(1, study.trials))}%`;
      const cell = (label, ...content) => make("td", { "data-label": label }, ...content);
      return make("tr", {}, make("th", { scope: "row" }, make("a", { href: `/study/${study.id}` }, study.name)),
        cell("state", make("span", { class: `state ${study.state}` }, study.state)),
        cell("done", `${study.done ?? "-"} of ${study.trials ?? "-"}`, meter), cell("rate", study.rate || "-"),
        cell("time left", study.left || "-"), cell("failures", study.failures || "none"),
        cell("strategy", study.strategy || "-"), cell("budget", study.budget || "-"), cell("compare", box));
    }

    function show(found) {
      if (found.error) { lost.textContent = found.error; return; }
      body.replaceChildren(...found.studies.map(row));
      if (!found.studies.length) body.append(make("tr", {}, make("td", { colspan: "9" }, "no study yet: naslab search")));
      drawn();
    }
    listen("/api/events", show, (words) => { lost.textContent = words; });
  }

  // A part of a page is put in the place of its older form. Pictures that stay are never taken out of the page, which
  // would lay all their points out anew.

  function renew(old, fresh) {
    const staying = new Map();
    for (const child of fresh.children) {
      const plots = child.matches(".plot") ? [child] : [...child.querySelectorAll(".plot")];
      let own = plots.map((plot) => document.getElementById(plot.id)).find((plot) => plot && old.contains(plot));
      if (!own) continue;
      while (own.parentElement !== old) own = own.parentElement;
      staying.set(child, own);
    }
    const kept = new Set(staying.values());
    for (const node of [...old.childNodes]) if (!kept.has(node)) node.remove();
    let next = old.firstChild;
    for (const node of [...fresh.childNodes]) {
      const own = staying.get(node);
      if (!own) { old.insertBefore(node, next); continue; }
      if (!own.matches(".plot")) renew(own, node);
      next = own.nextSibling;
    }
  }

  const last = new Map();

  function put(place, name, html) {
    if (last.get(name) === html) return false;
    last.set(name, html);
    const holder = make("template");
    holder.innerHTML = html;
    renew(place, holder.content);
    return true;
  }

  // All parts come first, then their pictures: so the page is laid out once.

  async function putAll(places) {
    const changed = places.filter(([place, name, html]) => put(place, name, html)).map(([place]) => place);
    await window.naslabPage.drawNear(...changed);
  }

  document.addEventListener("drawn", (event) => {
    const plot = event.target;
    if (plot.dataset.listens) return;
    plot.dataset.listens = "yes";
    plot.on("plotly_click", (clicked) => {
      const trial = clicked.points[0].customdata;
      if (Number.isInteger(trial)) showTrial(trial);
    });
  });

  const dialog = make("dialog", { "aria-label": "A network" });

  async function showTrial(trial) {
    const key = document.getElementById("study").dataset.study;
    const close = make("button", { type: "button", class: "close" }, "Close");
    close.onclick = () => dialog.close();
    const part = make("div");
    try {
      part.innerHTML = await get(`/api/study/${key}/trial/${trial}`);
    } catch (error) {
      part.textContent = error.message;
    }
    dialog.replaceChildren(close, part);
    if (!dialog.open) dialog.showModal();
  }

  // A study

  function studyPage(place) {
    const key = place.dataset.study;
    const api = `/api/study/${key}`;
    const state = make("span", { class: "state" });
    const lost = make("span", { class: "lost", role: "status" });
    const all = make("a", { href: "/" }, "all studies");
    const opening = document.getElementById("opening");
    place.prepend(make("div", { class: "bar" }, all, state, lost));
    const parts = new Map();
    const order = ["headline", "now", "thinned", "front", "progress", "converged", "rungs", "curves", "failures", "workers", "choices",
      "importance", "family", "law", "parallel", "candidates", "facts"];
    for (const name of order) {
      const part = make("section", { "data-part": name });
      parts.set(name, part);
      place.append(part);
    }
    place.append(dialog);
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-trial]");
      if (button) showTrial(Number(button.dataset.trial));
    });

    let shown = -1;
    let known = 0;
    let busy = false;
    let laterAt = 0;
    let wanted = 0;
    let isLast = false;
    let isDue = false;
    let isFilling = false;
    let laterTimer = 0;

    const fill = (sections) => putAll(Object.entries(sections).filter(([name]) => parts.has(name))
      .map(([name, html]) => [parts.get(name), name, html]));

    // The sections that take longer are asked for beside the others, which do not wait for them.

    async function fillLater() {
      isDue = true;
      if (isFilling) return;
      isFilling = true;
      clearTimeout(laterTimer);
      laterTimer = 0;
      try {
        while (isDue) {
          isDue = false;
          laterAt = performance.now();
          await fill((await get(`${api}/later`)).sections);
          showCandidates(await get(`${api}/candidates`));
          document.documentElement.dataset.whole = "yes";
          await fill((await get(`${api}/believed`)).sections);
        }
      } catch (error) {
        lost.textContent = error.message;
        laterAt = 0;
      } finally {
        isFilling = false;
      }
    }

    async function refresh() {
      if (busy) return;
      busy = true;
      try {
        while (shown !== wanted) {
          const begun = performance.now();
          const asked = wanted;
          shown = asked;
          const core = await get(`${api}/core?since=${known}`);
          if (shown === asked && core.version < asked) shown = core.version;
          await fill(core.sections);
          known = core.version;
          opening.remove();
          document.documentElement.dataset.updateMilliseconds = String(Math.round(performance.now() - begun));
          document.documentElement.dataset.updates = String(asked);
          document.title = `${parts.get("headline").querySelector("h1").textContent}: naslab`;
          drawn();
          const left = laterAt + 1000 * LATER_SECONDS - performance.now();
          if (isLast || left <= 0 || !laterAt) {
            isLast = false;
            fillLater();
          } else if (!laterTimer) {
            laterTimer = setTimeout(fillLater, left);
          }
          if (core.version < asked) await new Promise((done) => { setTimeout(done, 300); });
        }
        lost.textContent = "";
      } catch (error) {
        lost.textContent = error.message;
        shown = -1;
      } finally {
        busy = false;
      }
    }

    // The candidate table, and the same rows as parallel coordinates

    parts.get("candidates").append(make("h2", {}, "Candidates"));
    const tableRows = window.naslabCandidates(parts.get("candidates"), true);
    const canvas = make("canvas", { role: "img", tabindex: "0", "aria-label": "Parallel coordinates of the candidates" });
    const kept = make("p", { class: "note" });
    parts.get("parallel").id = "parallel";
    parts.get("parallel").append(make("h2", {}, "Parallel coordinates"), kept, canvas);

    function showCandidates(found) {
      const every = tableRows(found);
      const onFront = new Set(found.front);
      const rows = every.filter((row) => row[1] === "complete")
        .map((row) => ({ values: found.axes.map((index) => row[index]), isFront: onFront.has(row[0]) }));
      const names = found.axes.map((index) => found.columns[index]);
      parts.get("parallel").hidden = !rows.length;
      if (!rows.length) return;
      const again = () => window.naslabParallel(canvas, names, rows, (some, all) => {
        kept.textContent = `${some} of ${all} networks; blue ones are the front. Drag along an axis to keep a part of it,`
          + " click it to let go.";
      });
      again();
      onresize = again;
    }

    listen(`${api}/events`, (news) => {
      if (news.error) { opening.remove(); lost.textContent = news.error; return; }
      const hasEnded = state.textContent === "running" && news.state !== "running";
      state.textContent = news.state;
      state.className = `state ${news.state}`;
      put(parts.get("now"), "now", news.now);
      wanted = news.version;
      if (hasEnded) { isLast = true; shown = -1; }
      refresh();
    }, (words) => { lost.textContent = words; });
  }

  // Studies beside each other: drawn again when one of them has another outcome

  function comparePage(place) {
    const keys = new Set(place.dataset.studies.split(",").map(Number));
    const lost = make("span", { class: "lost", role: "status" });
    const part = make("div");
    place.append(make("div", { class: "bar" }, make("a", { href: "/" }, "all studies"), lost), part);
    let shown = null;
    let wanted = "";
    let busy = false;

    async function refresh() {
      if (busy) return;
      busy = true;
      while (shown !== wanted) {
        shown = wanted;
        try {
          const found = await get(`/api/compare?studies=${encodeURIComponent(place.dataset.studies)}`);
          await putAll([[part, "compare", found.html]]);
        } catch (error) {
          part.textContent = error.message;
          last.delete("compare");
        }
        document.documentElement.dataset.compared = shown;
        drawn();
        await new Promise((done) => { setTimeout(done, 1000 * COMPARE_SECONDS); });
      }
      busy = false;
    }

    refresh();
    listen("/api/events", (news) => {
      if (news.error) { lost.textContent = news.error; return; }
      const mine = news.studies.filter((each) => keys.has(each.id));
      wanted = mine.map((each) => `${each.id}:${each.done}:${each.state}`).join();
      refresh();
    }, (words) => { lost.textContent = words; });
  }

  for (const [id, page] of [["studies", listPage], ["study", studyPage], ["compare", comparePage]]) {
    const place = document.getElementById(id);
    if (place) page(place);
  }
})();
