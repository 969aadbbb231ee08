/** What is not tidy in the flow that an editor shows, as sentences; runs in the page. */
export const untidy = `(() => {
  const tab = RED.workspaces.active();
  const nodes = RED.nodes.filterNodes({ z: tab });
  const said = ({ type, name }) => type + ' ' + (name || '');
  const box = ({ x, y, w, h }) => ({ left: x - w / 2, right: x + w / 2, top: y - h / 2, bottom: y + h / 2 });
  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const pairs = (all) => all.flatMap((a, index) => all.slice(index + 1).map((b) => [a, b]));
  const problems = [];

  for (const [a, b] of pairs(nodes)) {
    if (overlap(box(a), box(b))) problems.push(said(a) + ' lies on ' + said(b));
  }
  for (const node of nodes) {
    const { left, right } = box(node);
    // As the editor itself aligns nodes.
    if ((left % 20 !== 0 && right % 20 !== 0) || node.y % 20 !== 0) problems.push(said(node) + ' is not on the grid');
  }
  const frame = ({ x, y, w, h }) => ({ left: x, right: x + w, top: y, bottom: y + h });
  const groups = RED.nodes.groups(tab);
  for (const [a, b] of pairs(groups)) {
    if (overlap(frame(a), frame(b))) problems.push('the group ' + a.name + ' lies on ' + b.name);
  }
  for (const group of groups) {
    const { left, right, top, bottom } = frame(group);
    // The panels of Node-RED 5 leave this much of a window of 1400 pixels.
    if (left < 0 || right > 880) problems.push('the group ' + group.name + ' goes from ' + left + ' to ' + right);
    for (const node of nodes) {
      const at = box(node);
      const inside = at.left >= left && at.right <= right && at.top >= top && at.bottom <= bottom;
      if (inside !== (node.g === group.id)) problems.push(said(node) + ' is on the edge of ' + group.name);
    }
  }

  const wires = [...document.querySelectorAll('#red-ui-workspace-chart .red-ui-flow-link-line')].map((line) => {
    const { source, sourcePort, target } = line.__data__;
    const length = line.getTotalLength();
    const points = Array.from({ length: 41 }, (_, index) => line.getPointAtLength((length * index) / 40));
    return { source, sourcePort, target, points };
  });
  const named = ({ source, target }) => 'the wire from ' + said(source) + ' to ' + said(target);
  for (const wire of wires) {
    for (const node of nodes) {
      if (node === wire.source || node === wire.target) continue;
      const { left, right, top, bottom } = box(node);
      const hit = wire.points.some(({ x, y }) => x > left && x < right && y > top && y < bottom);
      if (hit) problems.push(named(wire) + ' runs behind ' + said(node));
    }
  }
  const side = (a, b, c) => Math.sign((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x));
  const cross = (p, q) => p.slice(1).some((b, i) => q.slice(1).some((d, j) => {
    const [a, c] = [p[i], q[j]];
    return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;
  }));
  for (const [a, b] of pairs(wires)) {
    if (a.source === b.source || a.target === b.target) continue;
    if (cross(a.points, b.points)) problems.push(named(a) + ' crosses ' + named(b));
  }
  return problems;
})()`;
