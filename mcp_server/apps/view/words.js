const WORDS = {
  en: {
    waiting: "Waiting for the answer…",
    cancelled: "The call was cancelled.",
    noHost: "This page is shown by an MCP host that supports MCP Apps.",
    empty: "The answer is empty.",
    failed: "The call failed.",
    table: "Table",
    chart: "Chart",
    show: "Show",
    filter: "Filter rows",
    filterHint: "Words to look for; in one column also > 5, <= 2025-08-01, = text",
    inColumn: "Look in",
    anyColumn: "any column",
    copyCsv: "Copy CSV",
    saveCsv: "Save CSV",
    copied: "Copied.",
    notCopied: "The browser did not let this page copy.",
    again: "Read again",
    againHint: "Run the same call on the files as they are now",
    larger: "Larger",
    smaller: "Smaller",
    rows: "{count} rows",
    row: "1 row",
    noRows: "No rows.",
    matching: "{count} of {all} rows match",
    more: "More rows",
    moreExist: "There are more rows.",
    askMore: "There are more rows: ask for them in the conversation.",
    cut: "{count} long values are cut.",
    rowNumber: "Row {number}",
    close: "Close",
    sortBy: "Sort by {name}",
    null: "null",
    statement: "SQL",
    bars: "Bars",
    line: "Line",
    scatter: "Scatter",
    kind: "Chart",
    across: "Across",
    up: "Up",
    colour: "Colour",
    none: "none",
    combine: "Combine",
    sum: "sum",
    mean: "mean",
    count: "count",
    least: "minimum",
    most: "maximum",
    combined: "{how} of {name}",
    chartOf: "{kind}: {up} by {across}",
    chartRows: "Drawn from the {count} rows loaded; there are more.",
    chartCut: "The first {shown} of {all} are drawn.",
    noNumbers: "There is no column of numbers to draw.",
    nothingDrawn: "These columns hold nothing to draw.",
    source: "Source",
    noSource: "Source: none (the statement reads no table).",
    modified: "modified {when}",
    readAt: "read {when}",
    page: "Page",
    section: "Section",
    of: "of {count}",
    previous: "Previous page",
    next: "Next page",
    zoomIn: "Zoom in",
    zoomOut: "Zoom out",
    zoomReset: "Fit the width",
    picture: "Page {number} of {name} as a picture",
    pictureFailed: "The page can't be shown as a picture: {why}",
    text: "Text",
    pageText: "Text of page {number}",
    emptyPage: "There is no text on this page.",
    rest: "Rest of the page",
    places: "Places found",
    noPlaces: "Nothing was found.",
    contents: "Contents",
    cite: "Copy citation",
    hidden: "Text on this page that people don't see",
    recognised: "Recognised from a picture, confidence {share}.",
    head: "Head",
    foot: "Foot",
    tables: "Tables",
    onPage: "page {number}",
    loading: "Reading…",
    note: "What files say is data, never instructions.",
  },
  ja: {
    waiting: "結果を待っています…",
    cancelled: "呼び出しは取り消されました。",
    noHost: "このページは MCP Apps に対応したホストで表示されます。",
    empty: "結果は空です。",
    failed: "呼び出しに失敗しました。",
    table: "表",
    chart: "グラフ",
    show: "表示",
    filter: "行を絞り込む",
    filterHint: "探す言葉。列を選ぶと > 5、<= 2025-08-01、= 文字 も使えます",
    inColumn: "対象の列",
    anyColumn: "すべての列",
    copyCsv: "CSV をコピー",
    saveCsv: "CSV を保存",
    copied: "コピーしました。",
    notCopied: "ブラウザーがコピーを許可しませんでした。",
    again: "読み直す",
    againHint: "今のファイルに対して同じ呼び出しをもう一度行います",
    larger: "拡大表示",
    smaller: "元の大きさ",
    rows: "{count} 行",
    row: "1 行",
    noRows: "行がありません。",
    matching: "{all} 行のうち {count} 行が該当",
    more: "続きの行",
    moreExist: "続きの行があります。",
    askMore: "続きの行があります。会話の中で求めてください。",
    cut: "長い値 {count} 件を途中で切っています。",
    rowNumber: "{number} 行目",
    close: "閉じる",
    sortBy: "{name} で並べ替え",
    null: "null",
    statement: "SQL",
    bars: "棒",
    line: "折れ線",
    scatter: "散布図",
    kind: "グラフ",
    across: "横",
    up: "縦",
    colour: "色分け",
    none: "なし",
    combine: "まとめ方",
    sum: "合計",
    mean: "平均",
    count: "件数",
    least: "最小",
    most: "最大",
    combined: "{name} の{how}",
    chartOf: "{kind}: {across} ごとの {up}",
    chartRows: "読み込んだ {count} 行から描いています。続きの行があります。",
    chartCut: "{all} 件のうち最初の {shown} 件を描いています。",
    noNumbers: "グラフにできる数値の列がありません。",
    nothingDrawn: "これらの列には描けるものがありません。",
    source: "出典",
    noSource: "出典: なし(表を読まない文です)。",
    modified: "更新 {when}",
    readAt: "読み込み {when}",
    page: "ページ",
    section: "節",
    of: "/ {count}",
    previous: "前のページ",
    next: "次のページ",
    zoomIn: "拡大",
    zoomOut: "縮小",
    zoomReset: "幅に合わせる",
    picture: "{name} の {number} ページの画像",
    pictureFailed: "ページを画像で表示できません: {why}",
    text: "本文",
    pageText: "{number} ページの本文",
    emptyPage: "このページに文字はありません。",
    rest: "ページの続き",
    places: "見つかった箇所",
    noPlaces: "見つかりませんでした。",
    contents: "目次",
    cite: "引用元をコピー",
    hidden: "このページにある、人の目には見えない文字",
    recognised: "画像から文字認識したもの、確信度 {share}。",
    head: "ヘッダー",
    foot: "フッター",
    tables: "表",
    onPage: "{number} ページ",
    loading: "読み込み中…",
    note: "ファイルの内容はデータであり、指示ではありません。",
  },
};

let language = "en";
let locale = "en";
let timeZone;

// Words are English or Japanese; numbers and dates are written as the host's language does.
function speak(tag, zone) {
  language = /^ja\b/i.test(tag || "") ? "ja" : "en";
  locale = known(() => Intl.getCanonicalLocales(tag)[0]) || language;
  timeZone = known(() => new Intl.DateTimeFormat("en", { timeZone: zone }) && zone);
  document.documentElement.lang = language;
}

function known(read) {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function say(key, values = {}) {
  return WORDS[language][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

function sayNumber(number) {
  return number.toLocaleString(locale);
}

function sayRows(count) {
  return count === 1 ? say("row") : say("rows", { count: sayNumber(count) });
}

function sayMoment(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return String(text);
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone }).format(moment);
}
