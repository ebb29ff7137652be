"use strict";
(() => {
  const { SYMBOLS, isGroup, isJoin, shapeWords, heading, numbers } = diagramWords;
  const SVG = "http://www.w3.org/2000/svg";
  const CLOSED = 48;
  const PILL = 26;
  const SMALLEST = 0.02;
  const LARGEST = 8;
  const LARGEST_FIT = 1.2;
  const READABLE = 0.6;

  const { root, byPath } = diagramLayout.grow(JSON.parse(document.getElementById("diagram-data").textContent));
  const canvas = document.getElementById("canvas");
  const details = document.getElementById("details");
  const world = canvas.appendChild(create("g", { class: "world" }));
  const totalMacs = root.boxes.reduce((sum, box) => sum + (box.auxiliary ? 0 : box.macs), 0);
  const pen = document.createElement("canvas").getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  const view = { scale: 1, x: 0, y: 0 };
  let current = root.boxes[0];

  function create(tag, attributes, text) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // Sizes

  function widthOf(text, font) {
    pen.font = `${font} ${family}`;
    return pen.measureText(text).width;
  }

  function measure(box) {
    if (isJoin(box)) {
      const width = widthOf(SYMBOLS[box.kind], "600 13px") + widthOf(shapeWords(box.out), "12px") + 34;
      return { width, height: PILL };
    }
    const { name, words } = heading(box);
    const title = widthOf(name, "600 14px") + widthOf(words, "13px") + (words ? 8 : 0);
    const figures = widthOf(numbers(box), "12px") + 12;
    const rows = box.open ? title + figures + 24 : Math.max(title, figures);
    return { width: rows + (isGroup(box) ? 58 : 32), height: CLOSED };
  }

  // Drawing

  function draw() {
    diagramLayout.place(root, measure);
    world.replaceChildren();
    drawGroup(root, world, 0, 0);
    apply();
  }

  function drawGroup(group, parent, x, y) {
    const inside = parent.appendChild(create("g", { transform: `translate(${x + group.shift.x} ${y + group.shift.y})` }));
    const lines = [...group.lines].sort((one, two) => (one.way === "main" ? 0 : 1) - (two.way === "main" ? 0 : 1));
    for (const line of lines) drawLine(line, inside);
    for (const box of group.boxes) drawBox(box, inside);
  }

  // A run of no length would leave the head of an arrow without a direction.
  const down = (point) => (point.bottom > point.top ? `V${point.bottom}` : "");

  function drawLine(line, parent) {
    const [start, ...others] = line.points;
    let path = `M${start.x} ${start.top}${down(start)}`;
    let last = start;
    for (const point of others) {
      const middle = (last.bottom + point.top) / 2;
      const isStraight = Math.abs(last.x - point.x) < 0.5;
      path += isStraight ? `L${point.x} ${point.top}` : `C${last.x} ${middle} ${point.x} ${middle} ${point.x} ${point.top}`;
      path += down(point);
      last = point;
    }
    const arrow = create("path", { d: path, class: `arrow ${line.way}` });
    if (!line.to.side) arrow.setAttribute("marker-end", `url(#head-${line.way})`);
    parent.appendChild(arrow);
  }

  function drawBox(box, parent) {
    const left = box.x - box.width / 2;
    const place = parent.appendChild(create("g", { class: classOf(box), transform: `translate(${left} ${box.y})` }));
    place.dataset.path = box.path;
    for (const [name, value] of Object.entries(roles(box))) place.setAttribute(name, value);
    box.element = place;
    const round = isJoin(box) ? PILL / 2 : 7;
    if (isGroup(box) && !box.open) place.append(create("rect", { class: "behind", x: 4, y: 4, width: box.width, height: box.height, rx: round }));
    place.append(create("rect", { class: "frame", width: box.width, height: box.height, rx: round }));
    if (isJoin(box)) drawPill(box, place);
    else drawText(box, place);
    if (box.open) drawGroup(box, place, 0, 0);
  }

  function classOf(box) {
    const state = isGroup(box) ? (box.open ? "group open" : "group closed") : isJoin(box) ? "join" : "layer";
    const side = box.auxiliary ? "auxiliary" : "";
    return `box ${state} kind-${box.kind} ${side} ${box === current ? "current" : ""}`;
  }

  function roles(box) {
    const opens = isGroup(box) ? { "aria-expanded": String(box.open) } : {};
    const label = `${box.path}: ${box.words}, output ${shapeWords(box.out)}, ${box.params} params, ${box.macs} macs`;
    return { role: "treeitem", tabindex: box === current ? 0 : -1, "aria-level": box.depth, "aria-label": label, ...opens };
  }

  function drawPill(box, place) {
    const symbol = SYMBOLS[box.kind];
    place.append(create("text", { class: "name symbol", x: 13, y: 18 }, symbol));
    place.append(create("text", { class: "figures", x: 21 + widthOf(symbol, "600 13px"), y: 17.5 }, shapeWords(box.out)));
  }

  function drawText(box, place) {
    const { name, words } = heading(box);
    place.append(create("rect", { class: "stripe", x: 0, y: 0, width: 5, height: box.open ? box.height : CLOSED, rx: 2.5 }));
    const title = create("text", { x: 16, y: box.open ? 25 : 20 });
    title.append(create("tspan", { class: "name" }, name));
    if (words) title.append(create("tspan", { class: "words", dx: 8 }, words));
    const at = box.open ? { x: box.width - 36, y: 25, "text-anchor": "end" } : { x: 16, y: 38 };
    place.append(title, create("text", { class: "figures", ...at }, numbers(box)));
    if (isGroup(box)) {
      const middle = box.open ? 20 : CLOSED / 2;
      const across = box.width - 20;
      const cross = `M${across - 5} ${middle}h10${box.open ? "" : `M${across} ${middle - 5}v10`}`;
      place.append(create("circle", { class: "knob", cx: across, cy: middle, r: 9 }), create("path", { class: "sign", d: cross }));
    }
    if (!box.open && box.macs && !box.auxiliary) {
      const room = box.width - 12;
      place.append(create("rect", { class: "share", x: 9, y: CLOSED - 5, width: Math.max(1, room * box.macs / totalMacs), height: 3 }));
    }
  }

  function drawHeads() {
    const heads = create("defs", {});
    for (const way of ["main", "shortcut", "gate"]) {
      const head = create("marker", { id: `head-${way}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
      head.append(create("path", { d: "M0 0.5L8 4L0 7.5z", class: `head ${way}` }));
      heads.append(head);
    }
    canvas.prepend(heads);
  }

  // Opening and closing

  function toggle(box) {
    if (!isGroup(box)) return;
    const before = box.element.getBoundingClientRect();
    const hadFocus = canvas.contains(document.activeElement);
    box.open = !box.open;
    current = box;
    draw();
    const after = box.element.getBoundingClientRect();
    view.x += before.x + before.width / 2 - after.x - after.width / 2;
    view.y += before.y - after.y;
    apply();
    if (box.open) show(box);
    if (hadFocus) focus(box);
    describe(box);
  }

  /** Zooms out and pans as little as lets all of a box, or as much of it as can be read, be seen. */
  function show(box) {
    const [width, height] = [canvas.clientWidth - 16, canvas.clientHeight - 16];
    const wanted = Math.min(width / box.width, height / box.height);
    if (wanted < view.scale && view.scale > READABLE) zoom(Math.max(READABLE, wanted) / view.scale);
    const frame = canvas.getBoundingClientRect();
    const seen = box.element.getBoundingClientRect();
    view.x += nudge(seen.x - frame.x - 8, seen.width, width);
    view.y += nudge(seen.y - frame.y - 8, seen.height, height);
    apply();
  }

  /** How far a span moves to lie between 0 and `room`; one that is too long shows its beginning. */
  function nudge(start, length, room) {
    if (length > room || start < 0) return -start;
    return Math.min(0, room - start - length);
  }

  function openLevel() {
    const closed = shown().filter((box) => isGroup(box) && !box.open);
    for (const box of closed) box.open = true;
    draw();
    fit();
  }

  function closeAll() {
    for (const box of byPath.values()) box.open = false;
    while (current.group !== root) current = current.group;
    draw();
    fit();
  }

  /** The boxes on the screen, in reading order. */
  function shown(group = root) {
    return group.boxes.flatMap((box) => (box.open ? [box, ...shown(box)] : [box]));
  }

  // Zoom and pan

  function apply() {
    world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  }

  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const scale = Math.min(LARGEST, Math.max(SMALLEST, view.scale * factor));
    view.x = x - (x - view.x) * scale / view.scale;
    view.y = y - (y - view.y) * scale / view.scale;
    view.scale = scale;
    apply();
  }

  function fit(smallest = SMALLEST) {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const beside = details.offsetWidth && details.offsetWidth < width / 2 ? details.offsetLeft : width;
    const scaleFor = (room) => Math.max(smallest, Math.min(room / root.width, height / root.height, LARGEST_FIT));
    const isUnder = (width + root.width * scaleFor(width)) / 2 > beside;
    const room = isUnder ? beside : width;
    view.scale = scaleFor(room);
    view.x = (room - root.width * view.scale) / 2;
    view.y = Math.max(0, (height - root.height * view.scale) / 2);
    apply();
  }

  function local(event) {
    const frame = canvas.getBoundingClientRect();
    return [event.clientX - frame.x, event.clientY - frame.y];
  }

  const pointers = new Map();
  let travelled = 0;

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...local(event));
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, local(event));
  });

  canvas.addEventListener("pointermove", (event) => {
    const from = pointers.get(event.pointerId);
    if (!from) return;
    const to = local(event);
    travelled += Math.hypot(to[0] - from[0], to[1] - from[1]);
    if (travelled > 4 && !canvas.hasPointerCapture(event.pointerId)) canvas.setPointerCapture(event.pointerId);
    if (pointers.size === 2) {
      const [[, other]] = [...pointers].filter(([id]) => id !== event.pointerId);
      const spread = (point) => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
      zoom(spread(to) / spread(from), ...other);
    } else if (travelled > 4) {
      view.x += to[0] - from[0];
      view.y += to[1] - from[1];
      apply();
    }
    pointers.set(event.pointerId, to);
  });

  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }

  // Choosing a box

  const boxOf = (target) => byPath.get(target.closest?.(".box")?.dataset.path);

  canvas.addEventListener("click", (event) => {
    const box = boxOf(event.target);
    if (!box || travelled > 4) return;
    choose(box);
    if (!box.open || local(event)[1] < headerBottom(box)) toggle(box);
  });

  function headerBottom(box) {
    const frame = canvas.getBoundingClientRect();
    return box.element.getBoundingClientRect().y - frame.y + 40 * view.scale;
  }

  canvas.addEventListener("pointerover", (event) => describe(boxOf(event.target) ?? current));
  canvas.addEventListener("pointerleave", () => describe(current));
  canvas.addEventListener("focusin", (event) => {
    const box = boxOf(event.target);
    if (box && box !== current) choose(box);
    if (box) describe(box);
  });

  function choose(box) {
    current.element?.setAttribute("tabindex", -1);
    current.element?.classList.remove("current");
    current = box;
    box.element.setAttribute("tabindex", 0);
    box.element.classList.add("current");
  }

  function focus(box) {
    choose(box);
    box.element.focus({ preventScroll: true });
  }

  /** Pans so that the head of a box can be seen. */
  function reveal(box) {
    const frame = canvas.getBoundingClientRect();
    const seen = box.element.getBoundingClientRect();
    const foot = seen.y + Math.min(seen.height, CLOSED * view.scale);
    if (seen.y < frame.y + 8) view.y += frame.y + 8 - seen.y;
    else if (foot > frame.bottom - 8) view.y += frame.bottom - 8 - foot;
    const middle = seen.x + seen.width / 2;
    if (middle < frame.x + 8 || middle > frame.right - 8) view.x += frame.x + frame.width / 2 - middle;
    apply();
  }

  function go(box) {
    focus(box);
    reveal(box);
  }

  const KEYS = {
    Enter: () => toggle(current),
    " ": () => toggle(current),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    ArrowRight: () => (isGroup(current) && !current.open ? toggle(current) : isGroup(current) && go(current.boxes[0])),
    ArrowLeft: () => (current.open ? toggle(current) : current.group !== root && go(current.group)),
    Home: () => go(root.boxes[0]),
    End: () => go(shown().at(-1)),
    "+": () => zoom(1.25),
    "=": () => zoom(1.25),
    "-": () => zoom(0.8),
    0: () => fit(),
  };

  function step(by) {
    const boxes = shown();
    go(boxes[Math.min(boxes.length - 1, Math.max(0, boxes.indexOf(current) + by))]);
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  const BUTTONS = { fit: () => fit(), in: () => zoom(1.25), out: () => zoom(0.8), open: openLevel, close: closeAll };
  for (const button of document.querySelectorAll("button[data-do]")) {
    button.addEventListener("click", () => BUTTONS[button.dataset.do]());
  }

  // Details

  function describe(box) {
    const percent = 100 * box.macs / totalMacs;
    const share = percent < 0.01 ? "under 0.01 %" : `${percent.toPrecision(3)} %`;
    const rows = [
      ["what", box.words],
      ["input", shapeWords(box.in)],
      ["output", shapeWords(box.out)],
      ["params", box.params.toLocaleString("en")],
      ["macs", box.macs ? `${box.macs.toLocaleString("en")} (${box.auxiliary ? "in training only" : `${share} of all`})` : "0"],
      ["activations", box.activations.toLocaleString("en")],
    ];
    const list = document.createElement("dl");
    for (const [term, text] of rows) {
      list.append(Object.assign(document.createElement("dt"), { textContent: term }));
      list.append(Object.assign(document.createElement("dd"), { textContent: text }));
    }
    const title = Object.assign(document.createElement("h2"), { textContent: box.path });
    details.replaceChildren(title, list);
    details.classList.toggle("asked", box !== root.boxes[0]);
  }

  drawHeads();
  draw();
  fit(READABLE);
  describe(current);
  document.documentElement.dataset.drawn = "yes";
})();
