// Bars, lines and points of chosen columns, drawn as SVG.

const SERIES_COLOURS = 8;
const MOST_SERIES = 8;
const MOST_BARS = { across: 200, down: 40 };
const MOST_POINTS = 3000;
const FONT_WIDTH = 6.6;
const COMBINATIONS = {
  sum: (values) => values.reduce((all, value) => all + value, 0),
  mean: (values) => values.reduce((all, value) => all + value, 0) / values.length,
  count: (values) => values.length,
  least: (values) => values.reduce((all, value) => Math.min(all, value)),
  most: (values) => values.reduce((all, value) => Math.max(all, value)),
};

// What to draw first: time or names across, a measure up.
function suggestedChart(columns, rows) {
  const numbers = columns.flatMap((column, place) => (column.kind === "number" ? [place] : []));
  const looksLikeName = (place) => /(^|_)(id|no|nr|number|code|year|month)$|番号|コード|年$|月$/i.test(columns[place].name);
  const time = columns.findIndex((column) => column.kind === "time");
  const text = columns.findIndex((column) => column.kind === "text" || column.kind === "boolean");
  const names = numbers.filter(looksLikeName);
  const measures = numbers.filter((place) => !looksLikeName(place));
  const up = measures.length ? measures.at(-1) : numbers.at(-1);
  if (up === undefined) return null;
  let across = time >= 0 ? time : text >= 0 ? text : names.find((place) => place !== up);
  const kind = time >= 0 ? "line" : across === undefined ? "scatter" : "bars";
  across ??= numbers.find((place) => place !== up) ?? up;
  const repeated = new Set(rows.map((row) => plain(row[across]))).size < rows.length;
  const colours = columns.findIndex((column, place) => {
    if (place === across || column.kind !== "text") return false;
    const values = new Set(rows.map((row) => plain(row[place]))).size;
    return values > 1 && values <= 6;
  });
  return { kind, across, up, colour: repeated && kind !== "scatter" ? colours : -1, combine: "sum" };
}

// Gather what is drawn: series of points {x, y}, x being a time, a number or a name.
function gathered(spec, columns, rows) {
  const kind = columns[spec.across].kind;
  const read = kind === "time" ? timeOf : kind === "number" ? numberOf : null;
  const series = new Map();
  for (const row of rows) {
    const x = read ? read(row[spec.across]) : isNull(row[spec.across]) ? say("null") : plain(row[spec.across]);
    const y = isNull(row[spec.up]) ? NaN : numberOf(row[spec.up]);
    if (Number.isNaN(x) || !(Number.isFinite(y) || (spec.combine === "count" && spec.kind !== "scatter"))) continue;
    const name = spec.colour < 0 ? "" : isNull(row[spec.colour]) ? say("null") : plain(row[spec.colour]);
    if (!series.has(name)) series.set(name, []);
    series.get(name).push({ x, y });
  }
  const all = [...series].map(([name, points]) => ({ name, points }));
  const repeats = all.some(({ points }) => new Set(points.map(({ x }) => x)).size < points.length);
  const combined = spec.kind !== "scatter" && repeats;
  if (combined) for (const one of all) one.points = combinedPoints(one.points, COMBINATIONS[spec.combine]);
  if (read) for (const { points } of all) points.sort((a, b) => a.x - b.x);
  return { series: all.slice(0, MOST_SERIES), allSeries: all.length, repeats, combined, kind: read ? kind : "name" };
}

function combinedPoints(points, combine) {
  const groups = new Map();
  for (const { x, y } of points) {
    if (!groups.has(x)) groups.set(x, []);
    groups.get(x).push(y);
  }
  const combined = [...groups].map(([x, values]) => ({ x, y: combine(values) }));
  return combined.filter(({ y }) => Number.isFinite(y));
}

// Draw a chart of the given width and height; returns {element, legend, notes}.
function drawChart(spec, columns, rows, width, height) {
  const data = gathered(spec, columns, rows);
  const points = data.series.flatMap((one) => one.points);
  if (!points.length) return { element: null, legend: [], notes: [say("nothingDrawn")], repeats: data.repeats };
  const up = data.combined
    ? say("combined", { how: say(spec.combine), name: columns[spec.up].name })
    : columns[spec.up].name;
  const across = columns[spec.across].name;
  const label = `${say("chartOf", { kind: say(spec.kind), up, across })}`;
  const chart = { spec, data, points, up, across, label, width, height, notes: [] };
  if (data.allSeries > MOST_SERIES) {
    chart.notes.push(say("chartCut", { shown: sayNumber(MOST_SERIES), all: sayNumber(data.allSeries) }));
  }
  const draw = spec.kind !== "bars" ? drawPoints : data.kind === "name" ? drawBarsDown : drawBarsAcross;
  const legend = spec.colour < 0 ? [] : data.series.map(({ name }) => name);
  return { element: draw(chart), legend, notes: chart.notes, repeats: data.repeats };
}

function keysOf(chart, most) {
  const keys = [...new Set(chart.points.map(({ x }) => x))];
  if (chart.data.kind !== "name") keys.sort((a, b) => a - b);
  if (keys.length > most) {
    chart.notes.push(say("chartCut", { shown: sayNumber(most), all: sayNumber(keys.length) }));
  }
  return keys.slice(0, most);
}

function frameOf(chart, height, ...children) {
  const { width, label } = chart;
  const box = { class: "plot", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label };
  return svg("svg", box, ...children);
}

function words(x, y, text, anchor, attributes) {
  return svg("text", { x, y, "text-anchor": anchor, ...attributes }, text);
}

function sayX(chart, x, parts = chart.parts) {
  if (chart.data.kind === "time") return sayTime(x, chart.unit, parts);
  return chart.data.kind === "number" ? String(x) : x;
}

function readTimes(chart, times) {
  chart.unit = unitOf(times);
  chart.parts = partsBeside(times, chart.unit);
  chart.allParts = partsBeside(times, chart.unit, true);
}

function tip(chart, name, x, y) {
  return svg("title", null, `${name ? `${name}, ` : ""}${sayX(chart, x, chart.allParts)}: ${sayValue(y)}`);
}

function bar(chart, place, box, { x, y }) {
  return svg("rect", { class: `bar s${place % SERIES_COLOURS}`, ...box }, tip(chart, chart.data.series[place].name, x, y));
}

function valueRange(chart, keys) {
  const shown = keys ? chart.points.filter(({ x }) => keys.has(x)) : chart.points;
  const values = shown.map(({ y }) => y);
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}

// Names stand at the left, so that long ones can be read; one line each.
function drawBarsDown(chart) {
  const { series } = chart.data;
  const keys = keysOf(chart, MOST_BARS.down);
  const rank = new Map(keys.map((key, place) => [key, place]));
  const longest = Math.max(...keys.map((key) => widthOf(key))) * FONT_WIDTH;
  const left = Math.min(Math.max(longest + 10, 40), chart.width * 0.38);
  const [least, most] = valueRange(chart, rank);
  const ticks = ticksOf(Math.min(least, 0), Math.max(most, 0), Math.max(2, Math.floor(chart.width / 110)));
  const write = tickWriter(ticks);
  const valued = series.length === 1;
  const longestValue = Math.max(...[least, most].map((value) => sayValue(value).length));
  const right = valued ? longestValue * 7 + 10 : 16;
  const band = Math.max(24, series.length * 13 + 8);
  const top = 26;
  const foot = top + band * keys.length;
  const height = foot + 30;
  const at = linear(ticks[0], ticks.at(-1), left, chart.width - right);
  const across = shortened(chart.across, Math.floor((left - 12) / FONT_WIDTH));
  const parts = [words(4, 12, across, "start", { class: "axis-name" })];
  for (const tick of ticks) {
    parts.push(svg("line", { class: tick === 0 ? "base" : "rule", x1: at(tick), x2: at(tick), y1: top - 4, y2: foot }));
    parts.push(words(at(tick), top - 9, write(tick), "middle", { class: "tick" }));
  }
  keys.forEach((key, place) => {
    const name = shortened(key, Math.floor((left - 8) / FONT_WIDTH));
    parts.push(words(left - 6, top + band * (place + 0.5) + 4, name, "end", { class: "tick" }));
  });
  const thick = (band - 8) / series.length;
  series.forEach(({ points }, number) => {
    for (const point of points.filter(({ x }) => rank.has(x))) {
      const y = top + band * rank.get(point.x) + 4 + thick * number;
      const [from, to] = [at(Math.min(0, point.y)), at(Math.max(0, point.y))];
      const box = { x: from, y, width: Math.max(to - from, 0.5), height: thick - 1, rx: 2 };
      parts.push(bar(chart, number, box, point));
      if (valued) parts.push(words(to + 4, y + thick / 2 + 4, sayValue(point.y), "start", { class: "tick" }));
    }
  });
  parts.push(words((left + chart.width - right) / 2, height - 8, chart.up, "middle", { class: "axis-name" }));
  return frameOf(chart, height, ...parts);
}

// Times and numbers stand across, each with its bars.
function drawBarsAcross(chart) {
  const { series, kind } = chart.data;
  const keys = keysOf(chart, MOST_BARS.across);
  const rank = new Map(keys.map((key, place) => [key, place]));
  if (kind === "time") readTimes(chart, keys);
  const [least, most] = valueRange(chart, rank);
  const area = axisUp(chart, Math.min(least, 0), Math.max(most, 0));
  const band = (area.right - area.left) / keys.length;
  const names = keys.map((key) => sayX(chart, key));
  const every = Math.ceil((Math.max(...names.map((name) => widthOf(name))) * FONT_WIDTH + 10) / band);
  names.forEach((name, place) => {
    if (place % every) return;
    const x = area.left + band * (place + 0.5);
    area.parts.push(words(x, area.foot + 16, name, "middle", { class: "tick" }));
  });
  const gap = Math.min(band * 0.2, 12);
  const thick = (band - gap) / series.length;
  series.forEach(({ points }, number) => {
    for (const point of points.filter(({ x }) => rank.has(x))) {
      const [top, bottom] = [area.at(Math.max(0, point.y)), area.at(Math.min(0, point.y))];
      const x = area.left + band * rank.get(point.x) + gap / 2 + thick * number;
      const box = { x, y: top, width: Math.max(thick - (thick > 4 ? 1 : 0), 0.5), height: Math.max(bottom - top, 0.5) };
      area.parts.push(bar(chart, number, { ...box, rx: Math.min(2, thick / 4) }, point));
    }
  });
  return frameOf(chart, chart.height, ...area.parts);
}

function drawPoints(chart) {
  const { series, kind } = chart.data;
  const area = axisUp(chart, ...valueRange(chart));
  const room = area.right - area.left;
  let at;
  if (kind === "name") {
    const keys = keysOf(chart, Infinity);
    const rank = new Map(keys.map((key, place) => [key, place]));
    const step = room / keys.length;
    at = (x) => area.left + step * (rank.get(x) + 0.5);
    const every = Math.ceil((Math.min(Math.max(...keys.map((key) => widthOf(key))), 14) * FONT_WIDTH + 10) / step);
    keys.forEach((key, place) => {
      if (place % every === 0) area.parts.push(words(at(key), area.foot + 16, shortened(key, 14), "middle", { class: "tick" }));
    });
  } else {
    const xs = chart.points.map(({ x }) => x);
    const [from, to] = [xs.reduce((a, b) => Math.min(a, b)), xs.reduce((a, b) => Math.max(a, b))];
    const { ticks, write, ends } = axisAcross(chart, from, to, xs, room);
    at = linear(...ends, area.left, area.right);
    for (const tick of ticks) {
      area.parts.push(svg("line", { class: "rule", x1: at(tick), x2: at(tick), y1: area.foot, y2: area.foot + 4 }));
      const anchor = at(tick) > area.right - 24 ? "end" : at(tick) < area.left + 12 ? "start" : "middle";
      area.parts.push(words(at(tick), area.foot + 16, write(tick), anchor, { class: "tick" }));
    }
  }
  series.forEach(({ name, points }, number) => area.parts.push(...drawSeries(chart, number, name, points, at, area.at)));
  return frameOf(chart, chart.height, ...area.parts);
}

function axisAcross(chart, from, to, xs, room) {
  const count = Math.max(2, Math.floor(room / 90));
  if (chart.data.kind === "time") {
    readTimes(chart, [...new Set(xs)]);
    if (from === to) return { ticks: [from], write: (tick) => sayX(chart, tick), ends: [from - DAY, to + DAY] };
    const { ticks, unit } = timeTicksOf(from, to, count, chart.unit);
    const write = (tick) => sayTime(tick, unit, tick === ticks[0] && unit === "day" ? { year: "numeric" } : {});
    return { ticks, write, ends: [from, to] };
  }
  const ticks = ticksOf(from, to, count);
  return { ticks, write: tickWriter(ticks), ends: [ticks[0], ticks.at(-1)] };
}

function drawSeries(chart, number, name, points, x, y) {
  const colour = `s${number % SERIES_COLOURS}`;
  const parts = [];
  if (chart.spec.kind === "line" && points.length > 1) {
    const path = points.map((point, place) => `${place ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`);
    parts.push(svg("path", { class: `path ${colour}`, d: path.join("") }));
  }
  const line = chart.spec.kind === "line";
  const every = Math.ceil(points.length / MOST_POINTS);
  if (every > 1 && !line) {
    chart.notes.push(say("chartCut", { shown: sayNumber(Math.ceil(points.length / every)), all: sayNumber(points.length) }));
  }
  points.forEach((point, place) => {
    if (place % every) return;
    const seen = !line || points.length <= 60;
    const box = { class: `dot ${colour}${seen ? "" : " faint"}`, cx: x(point.x), cy: y(point.y), r: line && seen ? 2.5 : 3.5 };
    parts.push(svg("circle", box, tip(chart, name, point.x, point.y)));
  });
  return parts;
}

// The axis of values with its rules; the rest is drawn into its area.
function axisUp(chart, least, most) {
  const { width, height } = chart;
  const ticks = ticksOf(least, most, Math.max(3, Math.floor(height / 60)));
  const write = tickWriter(ticks);
  const left = Math.max(...ticks.map((tick) => widthOf(write(tick)))) * 7 + 14;
  const [top, foot, right] = [28, height - 42, width - 14];
  const at = linear(ticks[0], ticks.at(-1), foot, top);
  const parts = [words(4, 14, chart.up, "start", { class: "axis-name" })];
  for (const tick of ticks) {
    parts.push(svg("line", { class: tick === 0 ? "base" : "rule", x1: left, x2: right, y1: at(tick), y2: at(tick) }));
    parts.push(words(left - 6, at(tick) + 4, write(tick), "end", { class: "tick" }));
  }
  parts.push(words((left + right) / 2, height - 6, chart.across, "middle", { class: "axis-name" }));
  return { parts, at, left, right, foot };
}
