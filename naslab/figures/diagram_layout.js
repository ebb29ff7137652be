"use strict";
// Where boxes stand and arrows run: layers from top to bottom, the boxes of an open group in a layout of their own.
const diagramLayout = (() => {
  const GAP = { rank: 34, port: 22, side: 22, pad: 16, header: 40 };
  const SWEEPS = 8;

  /** Links every box to its group and gives every group its own arrows and ports, from the arrows between layers. */
  function grow(data) {
    const root = { path: "", boxes: data.boxes, open: true, depth: 0 };
    const byPath = new Map();
    (function link(group) {
      group.arrows = new Map();
      group.ports = new Map();
      for (const box of group.boxes) {
        Object.assign(box, { group, depth: group.depth + 1, open: false });
        byPath.set(box.path, box);
        if (box.boxes.length) link(box);
      }
    })(root);
    for (const [source, target, way] of data.arrows) lift(byPath.get(source), byPath.get(target), way);
    return { root, byPath };
  }

  /** An arrow between two layers, as one inside each group that it leaves, crosses and enters. */
  function lift(source, target, way) {
    const outer = new Set();
    for (let each = source.group; each; each = each.group) outer.add(each);
    const inwards = [];
    let to = target;
    for (; !outer.has(to.group); to = to.group) inwards.push(to);
    const value = source.path;
    let from = source;
    for (; from.group !== to.group; from = from.group) {
      add(from.group, from, port(from.group, "out", value), value, "main");
    }
    add(from.group, from, to, value, to === target ? way : "main");
    for (const box of inwards) add(box.group, port(box.group, "in", value), box, value, box === target ? way : "main");
  }

  function port(group, side, value) {
    const key = `${side} ${value}`;
    if (!group.ports.has(key)) group.ports.set(key, { path: `${group.path} ${key}`, side, value, width: 0, height: 0 });
    return group.ports.get(key);
  }

  function add(group, from, to, value, way) {
    const key = `${from.path}|${to.path}|${value}`;
    if (!group.arrows.has(key) || way !== "main") group.arrows.set(key, { from, to, value, way });
  }

  /** Sets x, y (centre and top, inside its group), width and height of every box shown, and the lines of groups. */
  function place(group, measure) {
    for (const box of group.boxes) {
      if (box.boxes.length && box.open) place(box, measure);
      else Object.assign(box, measure(box));
    }
    const ranks = ranked(group);
    const arrows = threaded(group, ranks);
    ordered(ranks, arrows);
    aligned(ranks, arrows);
    const size = stacked(group, ranks);
    group.lines = arrows.map((arrow) => ({ ...arrow, points: line(arrow, ranks) }));
    const header = group.group ? GAP.header : 0;
    const title = group.group ? measure(group).width : 0;
    group.width = Math.max(size.width + 2 * GAP.pad, title);
    group.height = size.height + header;
    group.shift = { x: group.width / 2 - size.middle, y: header };
  }

  /** The boxes and ports of a group in layers: each below all that it reads. */
  function ranked(group) {
    const rank = new Map();
    for (const each of group.ports.values()) if (each.side === "in") rank.set(each, 0);
    const incoming = grouped(group.arrows);
    let last = 0;
    for (const box of group.boxes) {
      const above = (incoming.get(box) ?? []).map((arrow) => rank.get(arrow.from) ?? 0);
      const own = above.length ? Math.max(...above) + 1 : 0;
      rank.set(box, own);
      last = Math.max(last, own);
    }
    for (const each of group.ports.values()) if (each.side === "out") rank.set(each, last + 1);
    const ranks = [];
    for (const [node, index] of rank) {
      node.rank = index;
      (ranks[index] ??= []).push(node);
    }
    return Array.from(ranks, (nodes) => nodes ?? []);
  }

  function grouped(arrows) {
    const found = new Map();
    for (const arrow of arrows.values()) found.set(arrow.to, [...(found.get(arrow.to) ?? []), arrow]);
    return found;
  }

  /** Arrows that pass layers, led through a bend in each; those of one map share their bends. */
  function threaded(group, ranks) {
    const bends = new Map();
    const drawn = new Map();
    for (const arrow of group.arrows.values()) {
      const { from, to, value } = arrow;
      const key = `${from.path}:${from.open ? value : ""}|${to.path}:${to.open ? value : ""}`;
      if (drawn.has(key)) continue;
      const path = [from];
      for (let rank = from.rank + 1; rank < to.rank; rank += 1) {
        const name = `${from.path}:${from.open ? value : ""}@${rank}`;
        if (!bends.has(name)) {
          bends.set(name, { isBend: true, rank, width: 10, height: 0 });
          ranks[rank].push(bends.get(name));
        }
        path.push(bends.get(name));
      }
      drawn.set(key, { ...arrow, path: [...path, to] });
    }
    return [...drawn.values()];
  }

  function neighbours(arrows) {
    const above = new Map();
    const below = new Map();
    for (const { path, from, to, value } of arrows) {
      for (let index = 1; index < path.length; index += 1) {
        const [one, two] = [path[index - 1], path[index]];
        const start = one === from && from.open ? portOffset(from, "out", value) : 0;
        const end = two === to && to.open ? portOffset(to, "in", value) : 0;
        (above.get(two) ?? above.set(two, []).get(two)).push({ node: one, offset: start - end });
        (below.get(one) ?? below.set(one, []).get(one)).push({ node: two, offset: end - start });
      }
    }
    return { above, below };
  }

  /** The order inside each layer, by the mean place of what a node is joined to; the order with fewest crossings. */
  function ordered(ranks, arrows) {
    const { above, below } = neighbours(arrows);
    const renumber = () => ranks.forEach((nodes) => nodes.forEach((node, index) => { node.index = index; }));
    renumber();
    let best = ranks.map((nodes) => [...nodes]);
    let fewest = crossings(ranks, below);
    for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep += 1) {
      const side = sweep % 2 ? below : above;
      for (const nodes of sweep % 2 ? [...ranks].reverse() : ranks) {
        for (const node of nodes) {
          const near = side.get(node);
          node.mean = near ? near.reduce((sum, each) => sum + each.node.index, 0) / near.length : node.index;
        }
        nodes.sort((one, two) => one.mean - two.mean);
        nodes.forEach((node, index) => { node.index = index; });
      }
      const count = crossings(ranks, below);
      if (count < fewest) [fewest, best] = [count, ranks.map((nodes) => [...nodes])];
    }
    best.forEach((nodes, rank) => ranks[rank].splice(0, nodes.length, ...nodes));
    renumber();
  }

  function crossings(ranks, below) {
    let count = 0;
    for (const nodes of ranks) {
      const ends = nodes.flatMap((node) => (below.get(node) ?? []).map((each) => each.node.index).sort((a, b) => a - b));
      for (let one = 0; one < ends.length; one += 1) {
        for (let two = one + 1; two < ends.length; two += 1) if (ends[two] < ends[one]) count += 1;
      }
    }
    return count;
  }

  /** The x of every node: near what it is joined to, in order, with room between; arrows and side branches give way. */
  function aligned(ranks, arrows) {
    const { above, below } = neighbours(arrows);
    for (const nodes of ranks) settle(nodes, () => ({ wanted: 0, weight: 1 }));
    for (let sweep = 0; sweep <= 2 * SWEEPS; sweep += 1) {
      const side = sweep % 2 ? below : above;
      for (const nodes of sweep % 2 ? [...ranks].reverse() : ranks) {
        settle(nodes, (node) => {
          let sum = 0;
          let weight = 0;
          for (const { node: other, offset } of side.get(node) ?? []) {
            const isAlike = Boolean(node.isBend) === Boolean(other.isBend) && Boolean(node.auxiliary) === Boolean(other.auxiliary);
            const pull = isAlike ? 1 : 0.001;
            sum += pull * (other.x + offset);
            weight += pull;
          }
          return { wanted: weight ? sum / weight : node.x, weight: node.isBend ? 0.001 : weight || 0.01 };
        });
      }
    }
    straighten(ranks, arrows);
  }

  /** Long arrows that run outside of everything else do so in one straight line. */
  function straighten(ranks, arrows) {
    for (const { path } of arrows) {
      const bends = path.slice(1, -1);
      for (const [place, outermost] of [[0, Math.min], [-1, Math.max]]) {
        if (bends.length && bends.every((bend) => ranks[bend.rank].at(place) === bend)) {
          const x = outermost(...bends.map((bend) => bend.x));
          for (const bend of bends) bend.x = x;
        }
      }
    }
  }

  /** The places nearest to the wanted ones that keep order and distance: least squares by pooling adjacent violators. */
  function settle(nodes, wantedOf) {
    const pools = [];
    let offset = 0;
    nodes.forEach((node, index) => {
      if (index) offset += (nodes[index - 1].width + node.width) / 2 + GAP.side;
      const { wanted, weight } = wantedOf(node);
      node.offset = offset;
      pools.push({ sum: weight * (wanted - offset), weight, members: [node] });
      while (pools.length > 1 && mean(pools.at(-2)) > mean(pools.at(-1))) {
        const top = pools.pop();
        const rest = pools.at(-1);
        rest.sum += top.sum;
        rest.weight += top.weight;
        rest.members.push(...top.members);
      }
    });
    for (const pool of pools) for (const node of pool.members) node.x = mean(pool) + node.offset;
  }

  const mean = (pool) => pool.sum / pool.weight;

  /** The y of every node, and how much room the layers take. */
  function stacked(group, ranks) {
    const top = group.group ? 0 : GAP.pad;
    let y = top;
    let [left, right] = [Infinity, -Infinity];
    ranks.forEach((nodes, index) => {
      const height = Math.max(0, ...nodes.map((node) => node.height));
      nodes.top = y;
      nodes.bottom = y + height;
      for (const node of nodes) {
        node.y = y + (height - node.height) / 2;
        left = Math.min(left, node.x - node.width / 2);
        right = Math.max(right, node.x + node.width / 2);
      }
      const isPort = nodes.every((node) => node.side) || (ranks[index + 1] ?? []).every((node) => node.side);
      y += height + (index === ranks.length - 1 ? 0 : isPort ? GAP.port : GAP.rank);
    });
    const hasOut = ranks.at(-1).some((node) => node.side === "out");
    return { width: right - left, middle: (left + right) / 2, height: y + (hasOut ? 0 : GAP.pad) };
  }

  /** The points of an arrow: [x, y] pairs, a straight run through each layer, a curve between two. */
  function line(arrow, ranks) {
    const { path, from, to, value } = arrow;
    return path.map((node) => {
      const layer = ranks[node.rank];
      if (node === from) {
        return { x: node.x + (from.open ? portOffset(from, "out", value) : 0), top: node.y + node.height, bottom: layer.bottom };
      }
      if (node === to) return { x: node.x + (to.open ? portOffset(to, "in", value) : 0), top: layer.top, bottom: node.y };
      return { x: node.x, top: layer.top, bottom: layer.bottom };
    });
  }

  /** How far a port of an open group is from the group's middle. */
  function portOffset(group, side, value) {
    return group.ports.get(`${side} ${value}`).x + group.shift.x - group.width / 2;
  }

  return { grow, place };
})();
