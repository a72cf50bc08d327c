// Where values lie on an axis, and which of them are written there.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONDAY = 4 * DAY;
const TIME_STEPS = [
  ["minute", MINUTE, [1, 5, 15, 30]],
  ["hour", HOUR, [1, 3, 6, 12]],
  ["day", DAY, [1, 2, 7, 14]],
  ["month", 30.4 * DAY, [1, 2, 3, 6]],
  ["year", 365.25 * DAY, [1, 2, 5, 10, 20, 50, 100, 500, 1000]],
];
const TIME_STYLES = {
  minute: { hour: "2-digit", minute: "2-digit" },
  hour: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
  day: { month: "short", day: "numeric" },
  month: { year: "numeric", month: "short" },
  year: { year: "numeric" },
};

function linear(from, to, start, end) {
  // By halves, since a span may be more than a number holds.
  const span = to / 2 - from / 2 || 1;
  return (value) => start + ((value / 2 - from / 2) / span) * (end - start);
}

// Round numbers around a range, about `count` of them.
function ticksOf(least, most, count) {
  const [from, to] = least === most ? [least - Math.abs(least || 1) / 2, most + Math.abs(most || 1) / 2] : [least, most];
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  // Beyond what numbers can tell apart there are no round ones.
  if (!Number.isFinite(step) || Math.max(Math.abs(from), Math.abs(to)) / step > 1e12) return [from, to];
  const ticks = [];
  for (let number = Math.floor(from / step); number <= Math.ceil(to / step - 1e-9); number += 1) {
    ticks.push(Number((number * step).toPrecision(12)));
  }
  return ticks;
}

// Round times in a range, about `count` of them and none finer than `finest`: months have no days between them.
function timeTicksOf(from, to, count, finest) {
  const [, least] = TIME_STEPS.find(([unit]) => unit === finest);
  const rough = Math.max((to - from) / count, least);
  const [unit, step] = timeStep(rough);
  const ticks = [];
  const start = new Date(from);
  if (unit === "year" || unit === "month") {
    const months = unit === "year" ? 12 * step : step;
    const first = start.getUTCFullYear() * 12 + (unit === "year" ? 0 : start.getUTCMonth());
    for (let month = Math.floor(first / months) * months; ticks.length < 200; month += months) {
      const time = Date.UTC(Math.floor(month / 12), month % 12, 1);
      if (time > to) break;
      if (time >= from) ticks.push(time);
    }
  } else {
    const size = step * { minute: MINUTE, hour: HOUR, day: DAY }[unit];
    const first = Math.ceil((from - MONDAY) / size) * size + MONDAY;
    for (let time = first; time <= to && ticks.length < 200; time += size) ticks.push(time);
  }
  return { ticks, unit };
}

function timeStep(rough) {
  for (const [unit, size, steps] of TIME_STEPS) {
    for (const step of steps) if (size * step >= rough) return [unit, step];
  }
  return ["year", 1000];
}

// Dates of files have no place on the globe, so they are written as they stand.
function sayTime(time, unit, parts = {}) {
  const style = { ...TIME_STYLES[unit], ...parts, timeZone: "UTC" };
  return new Intl.DateTimeFormat(locale, style).format(time);
}

// What is written beside a unit's own parts, so that no two of these times read alike; the day at any rate if `whole`.
function partsBeside(times, unit, whole) {
  if (unit === "year" || unit === "month") return {};
  const several = (length) => whole || new Set(times.map((time) => new Date(time).toISOString().slice(0, length))).size > 1;
  return {
    ...(several(-14) ? { month: "short", day: "numeric" } : {}),
    ...(unit === "day" || several(-20) ? { year: "numeric" } : {}),
    ...(times.some((time) => time % MINUTE) ? { second: "2-digit" } : {}),
  };
}

function unitOf(times) {
  if (times.some((time) => time % HOUR)) return "minute";
  if (times.some((time) => time % DAY)) return "hour";
  if (times.some((time) => new Date(time).getUTCDate() !== 1)) return "day";
  return times.some((time) => new Date(time).getUTCMonth() !== 0) ? "month" : "year";
}

// Write the numbers of an axis alike: in thousands or millions where the largest is long.
function tickWriter(ticks) {
  const largest = Math.max(...ticks.map(Math.abs));
  const notation = isOdd(largest) ? "scientific" : largest >= 1_000_000 ? "compact" : "standard";
  return (tick) => tick.toLocaleString(locale, { maximumSignificantDigits: 6, notation });
}

function sayValue(number) {
  const notation = isOdd(number) ? "scientific" : "standard";
  return number.toLocaleString(locale, { maximumSignificantDigits: 12, notation });
}

function isOdd(number) {
  const size = Math.abs(number);
  return size >= 1e15 || (size > 0 && size < 1e-6);
}
