"use strict";
// What is written on a box of a diagram.
const diagramWords = (() => {
  const LONGEST = { outside: 52, inside: 38 };
  const SYMBOLS = { Add: "+", Multiply: "\u00d7", Stack: "concat", Mean: "mean" };

  const isGroup = (box) => box.boxes.length > 0;
  const isJoin = (box) => box.kind in SYMBOLS;
  const shapeWords = (shape) => shape.join(" \u00d7 ");

  function quantity(value) {
    const unit = [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([size]) => value >= size);
    return unit ? `${(value / unit[0]).toPrecision(3)}${unit[1]}` : String(value);
  }

  function heading(box) {
    const isNamed = isGroup(box) || !box.words.includes(box.name);
    const most = box.depth > 2 ? LONGEST.inside : LONGEST.outside;
    const words = box.words.length > most ? `${box.words.slice(0, most - 1)}\u2026` : box.words;
    return { name: isNamed ? box.name : words, words: isNamed ? words : "" };
  }

  function numbers(box) {
    const counts = [];
    if (box.params) counts.push(`${quantity(box.params)} params`);
    if (box.macs) counts.push(`${quantity(box.macs)} macs`);
    return [shapeWords(box.out), ...counts].join("   ");
  }

  return { SYMBOLS, isGroup, isJoin, shapeWords, heading, numbers };
})();
