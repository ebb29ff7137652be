"use strict";
(() => {
  const NARROW = 560;
  // The buttons are listed, so that none of a later plotly.js can offer to send data elsewhere.
  const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
  const config = { responsive: true, displaylogo: false, showSendToCloud: false, modeBarButtons: buttons };

  function fitted(figure, width) {
    const layout = structuredClone(figure.layout);
    layout.autosize = true;
    if (width >= NARROW) return layout;
    layout.font = { size: 12 };
    layout.hoverlabel = { font: { size: 11 } };
    layout.margin = { l: 44, r: 8, t: 10, b: 44 };
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      layout[name].title = { ...layout[name].title, font: { size: 12 }, standoff: 6 };
      layout[name].tickfont = { size: 11 };
      if (layout[name].type !== "category") layout[name].nticks = 6;
    }
    return layout;
  }

  // Every picture as PNG and SVG, and its points as CSV.

  function csv(traces) {
    const cell = (value) => {
      const text = value === null || value === undefined ? "" : String(value).replace(/(<br>)+/g, "; ").replace(/<[^>]*>/g, "");
      const safe = typeof value !== "number" && /^[=+@-]/.test(text) ? `'${text}` : text;
      return /[",\n;]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
    };
    const rows = [["series", "x", "y", "error_x", "error_y", "text"]];
    for (const trace of traces.filter((each) => each.mode !== "text")) {
      const list = (values) => Array.from(values || []);
      const [x, y, hover, text] = [list(trace.x), list(trace.y), list(trace.hovertext), list(trace.text)];
      const error = (bars, index) => bars && bars.array ? bars.array[index] : null;
      y.forEach((value, index) => rows.push([trace.name, x[index], value, error(trace.error_x, index),
        error(trace.error_y, index), hover[index] ?? text[index]]));
    }
    return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
  }

  function takeAway(place, name) {
    const before = place.nextElementSibling;
    if (before && before.className === "take-away") return;
    const bar = document.createElement("div");
    bar.className = "take-away";
    bar.append("Save as");
    const save = async (format) => {
      if (!place.data) await draw(scriptOf(place));
      if (format !== "csv") return Plotly.downloadImage(place, { format, filename: name, scale: format === "png" ? 2 : 1 });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([csv(place.data)], { type: "text/csv" }));
      link.download = `${name}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      return null;
    };
    for (const format of ["png", "svg", "csv"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.save = format;
      button.textContent = format.toUpperCase();
      button.setAttribute("aria-label", `Save this picture as ${format.toUpperCase()}`);
      button.onclick = () => save(format);
      bar.append(button);
    }
    place.after(bar);
  }

  function draw(script) {
    const place = document.getElementById(script.dataset.figure);
    const figure = JSON.parse(script.textContent);
    const narrow = place.clientWidth < NARROW;
    const shown = { ...config, displayModeBar: narrow ? false : "hover" };
    coming.unobserve(place);
    const done = Plotly.react(place, figure.data, fitted(figure, place.clientWidth), shown);
    place.dispatchEvent(new Event("drawn", { bubbles: true }));
    return done;
  }

  // A picture is drawn when the screen comes within its own height of it: most of a long page is never looked at.

  const scriptOf = (place) => document.querySelector(`script[data-figure="${CSS.escape(place.id)}"]`);
  const coming = new IntersectionObserver((seen) => {
    for (const each of seen) if (each.isIntersecting) draw(scriptOf(each.target));
  }, { rootMargin: "100% 0px" });

  function isNear(place) {
    const box = place.getBoundingClientRect();
    return box.top < 2 * innerHeight && box.bottom > -innerHeight;
  }

  const figuresOf = (part) => [...part.querySelectorAll("script[data-figure]")];
  const drawAll = (part) => Promise.all(figuresOf(part).map(draw));

  function drawNear(...parts) {
    const places = parts.flatMap(figuresOf).map((script) => document.getElementById(script.dataset.figure));
    for (const place of places) takeAway(place, place.id);
    const near = places.filter(isNear);
    for (const place of places) if (!near.includes(place)) coming.observe(place);
    return Promise.all(near.map((place) => draw(scriptOf(place))));
  }

  window.naslabPage = { drawAll, drawNear };
  addEventListener("beforeprint", () => drawAll(document));

  if (document.querySelector("script[data-figure]")) drawNear(document)
    .then(() => { document.documentElement.dataset.drawn = "yes"; });

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (button) copy(button);
  });
})();
