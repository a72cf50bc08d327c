// What a cell is: kinds of columns, how values are written, compared and found.

function kindOf(type) {
  const text = String(type || "").toUpperCase();
  if (text.endsWith("]")) return "other";
  if (/^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL|NUMERIC|FLOAT|DOUBLE|REAL|BIGNUM|VARINT)\b/.test(text)) {
    return "number";
  }
  if (/^(DATE|TIMESTAMP)/.test(text)) return "time";
  return text === "BOOLEAN" ? "boolean" : "text";
}

function isNull(value) {
  return value === null || value === undefined;
}

function plain(value) {
  if (isNull(value)) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function numberOf(value) {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || !value.trim()) return NaN;
  return Number(value);
}

function timeOf(value) {
  const found = /^(\d{4,6}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d(?::?\d\d)?)?)?$/.exec(
    String(value),
  );
  if (!found) return NaN;
  const [, day, hour, zone = "Z"] = found;
  const full = zone.length === 3 ? `${zone}:00` : zone;
  return Date.parse(hour ? `${day}T${hour}${full}` : `${day}T00:00:00Z`);
}

// Texts match as people read them: full-width and half-width letters are the same.
function folded(text) {
  return text.normalize("NFKC").toLowerCase();
}

function compareNumbers(a, b) {
  const [one, other] = [numberOf(a), numberOf(b)];
  if (Number.isNaN(one) || Number.isNaN(other)) return Number(Number.isNaN(one)) - Number(Number.isNaN(other));
  if (one !== other) return one < other ? -1 : 1;
  // Where numbers run out of digits the server sends texts.
  const whole = /^-?\d{16,}$/;
  if (!whole.test(a) || !whole.test(b)) return 0;
  return Number(BigInt(a) > BigInt(b)) - Number(BigInt(a) < BigInt(b));
}

function comparer(kind) {
  if (kind === "number") return compareNumbers;
  if (kind === "boolean") return (a, b) => Number(a) - Number(b);
  if (kind === "time") {
    return (a, b) => {
      const difference = timeOf(a) - timeOf(b);
      return Number.isNaN(difference) ? compareTexts(plain(a), plain(b)) : difference;
    };
  }
  const collator = new Intl.Collator(locale, { numeric: true });
  return (a, b) => collator.compare(plain(a), plain(b));
}

function compareTexts(a, b) {
  return a < b ? -1 : Number(a > b);
}

// Turn what stands in the filter box into a test of a row; `column` -1 is any.
function rowTest(text, column, columns) {
  const wanted = folded(text).trim();
  if (!wanted) return () => true;
  const operation = column >= 0 ? /^(<=|>=|!=|<|>|=)\s*(.*)$/.exec(wanted) : null;
  if (operation) return (row) => compared(row[column], operation[1], operation[2], columns[column].kind);
  const words = wanted.split(/\s+/);
  return (row) => {
    const cells = (column >= 0 ? [row[column]] : row).map((value) => folded(isNull(value) ? "" : plain(value)));
    return words.every((word) => cells.some((cell) => cell.includes(word)));
  };
}

function compared(value, sign, wanted, kind) {
  if (wanted === "null") return sign === "=" ? isNull(value) : sign === "!=" && !isNull(value);
  if (isNull(value)) return sign === "!=";
  const text = folded(plain(value));
  let order = compareTexts(text, wanted);
  if (text !== wanted && kind === "number") {
    // As people write it: 1,000 or ¥1000. What is no number is neither more nor less than one.
    const number = wanted.replace(/[\s_¥$€£]|,(?=\d\d\d|\d\d,)/g, "");
    order = Number.isNaN(numberOf(number)) ? NaN : compareNumbers(value, number);
  }
  if (kind === "time") {
    // A day or a month is all the times in it.
    const time = wanted.replaceAll("/", "-").replace("t", " ").replace(/(?<!\.)\b\d\b/g, "0$&");
    order = text.startsWith(time) ? 0 : /^\d{4}/.test(time) ? compareTexts(text, time) : NaN;
  }
  return {
    "<": order < 0,
    "<=": order <= 0,
    ">": order > 0,
    ">=": order >= 0,
    "=": order === 0,
    "!=": order !== 0,
  }[sign];
}

// RFC 4180; null is empty.
function csv(names, rows) {
  const cell = (value) => {
    const text = plain(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

// How much room a text takes, in widths of a digit; Chinese, Japanese and Korean signs take two.
function widthOf(text) {
  let width = 0;
  for (const sign of text) width += sign.codePointAt(0) >= 0x1100 ? 2 : 1;
  return width;
}

function shortened(text, width) {
  if (widthOf(text) <= width) return text;
  let kept = "";
  let used = 1;
  for (const sign of text) {
    used += sign.codePointAt(0) >= 0x1100 ? 2 : 1;
    if (used > width) break;
    kept += sign;
  }
  return `${kept}…`;
}

// The server counts characters, the browser 16-bit units; they differ where signs lie beyond the basic plane.
function unitAt(text, character) {
  let units = 0;
  let left = character;
  for (const sign of text) {
    if (left-- <= 0) break;
    units += sign.length;
  }
  return units;
}

function charactersIn(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
