"use strict";
// Parallel coordinates on a canvas: one line a network, one axis a number; dragging along an axis keeps what it covers.
window.naslabParallel = (canvas, columns, rows, tell) => {
  const NARROW = 560;
  const brushes = new Map();
  let drag = null;
  const axes = columns.map((name, index) => {
    const values = rows.map((row) => row.values[index]).filter((value) => value !== null);
    const low = Math.min(...values);
    const high = Math.max(...values);
    return { name, low, high: high > low ? high : low + 1, isLog: low > 0 && high / low > 30 };
  });
  const share = (axis, value) => axis.isLog
    ? Math.log(value / axis.low) / Math.log(axis.high / axis.low)
    : (value - axis.low) / (axis.high - axis.low);
  const box = () => ({ left: 46, right: canvas.clientWidth - 46, top: 34, bottom: canvas.clientHeight - 24 });
  const placeX = (index) => {
    const { left, right } = box();
    return axes.length > 1 ? left + (index * (right - left)) / (axes.length - 1) : (left + right) / 2;
  };
  const placeY = (part) => box().bottom - part * (box().bottom - box().top);
  const words = (value) => {
    const unit = [[1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([size]) => Math.abs(value) >= size);
    return unit ? `${(value / unit[0]).toPrecision(3)}${unit[1]}` : String(Number(value.toPrecision(3)));
  };
  const isKept = (row) => [...brushes].every(([index, [one, two]]) => {
    const value = row.values[index];
    if (value === null) return false;
    const part = share(axes[index], value);
    return part >= Math.min(one, two) && part <= Math.max(one, two);
  });

  function draw() {
    const scale = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    const kept = rows.filter(isKept);
    const line = (row, color, width) => {
      pen.strokeStyle = color;
      pen.lineWidth = width;
      pen.beginPath();
      row.values.forEach((value, index) => {
        if (value !== null) pen.lineTo(placeX(index), placeY(share(axes[index], value)));
      });
      pen.stroke();
    };
    if (brushes.size) for (const row of rows) line(row, "rgba(120,130,140,.07)", 1);
    for (const row of kept) if (!row.isFront) line(row, "rgba(91,100,112,.28)", 1);
    for (const row of kept) if (row.isFront) line(row, "rgba(0,114,178,.9)", 1.8);
    pen.font = `${canvas.clientWidth < NARROW ? 11 : 13}px system-ui, sans-serif`;
    axes.forEach((axis, index) => {
      const x = placeX(index);
      pen.strokeStyle = "#1b1f24";
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(x, box().top);
      pen.lineTo(x, box().bottom);
      pen.stroke();
      pen.fillStyle = "#1b1f24";
      pen.textAlign = "center";
      const short = axis.name.replace(/ \(.*\)$/, "");  // without its unit
      const name = canvas.clientWidth >= NARROW ? axis.name : short.length > 11 ? `${short.slice(0, 10)}…` : short;
      pen.fillText(name, x, 13);
      pen.fillStyle = "#5b6470";
      pen.fillText(words(axis.high), x, 28);
      pen.fillText(words(axis.low), x, box().bottom + 16);
      if (brushes.has(index)) {
        const [one, two] = brushes.get(index).map(placeY);
        pen.fillStyle = "rgba(230,159,0,.35)";
        pen.fillRect(x - 8, Math.min(one, two), 16, Math.abs(one - two));
      }
    });
    tell(kept.length, rows.length);
  }

  const partAt = (event) => {
    const { top, bottom } = box();
    return Math.min(1, Math.max(0, (bottom - event.offsetY) / (bottom - top)));
  };
  canvas.onpointerdown = (event) => {
    const near = axes.map((_, index) => Math.abs(placeX(index) - event.offsetX));
    const index = near.indexOf(Math.min(...near));
    if (near[index] > 40) return;
    drag = { index, from: partAt(event) };
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    if (!drag) return;
    brushes.set(drag.index, [drag.from, partAt(event)]);
    draw();
  };
  canvas.onpointerup = (event) => {
    if (drag && Math.abs(partAt(event) - drag.from) < 0.02) brushes.delete(drag.index);
    drag = null;
    draw();
  };
  draw();
};
