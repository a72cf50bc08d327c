// The conversation with the host: JSON-RPC 2.0 by postMessage (MCP Apps, 2026-01-26).

class Problem extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

class Bridge {
  #waiting = new Map();
  #next = 1;

  // `given` are the arguments of the call whose result is shown; `heard` maps methods of notifications to functions;
  // `renewed` hears of a newer result of the same call.
  constructor(heard) {
    this.heard = heard;
    this.renewed = () => {};
    this.context = {};
    this.capabilities = {};
    this.given = {};
    window.addEventListener("message", (event) => {
      if (event.source === window.parent && event.data?.jsonrpc === "2.0") this.#receive(event.data);
    });
  }

  async connect() {
    const answer = await this.request("ui/initialize", {
      appInfo: { name: "fresh-context-viewer", version: "1" },
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
      protocolVersion: "2026-01-26",
    });
    this.context = answer.hostContext || {};
    this.capabilities = answer.hostCapabilities || { serverTools: {} };
  }

  request(method, params) {
    const id = this.#next++;
    this.#post({ id, method, params });
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  notify(method, params = {}) {
    this.#post({ method, params });
  }

  get canCall() {
    return Boolean(this.capabilities.serverTools);
  }

  get canSave() {
    return Boolean(this.capabilities.downloadFile);
  }

  get canGrow() {
    return (this.context.availableDisplayModes || []).includes("fullscreen");
  }

  // Call a tool of the server through the host; an answer that is an error is thrown.
  async call(name, args) {
    const result = await this.request("tools/call", { name, arguments: args });
    if (result?.isError) throw problemOf(result);
    return result;
  }

  async save(resource) {
    try {
      await this.request("ui/download-file", { contents: [{ type: "resource", resource }] });
    } catch (problem) {
      announce(problem.message);
    }
  }

  #post(message) {
    window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }

  #receive(message) {
    if (typeof message.method !== "string") {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error) waiting?.reject(new Problem(String(message.error.message || say("failed"))));
      else waiting?.resolve(message.result || {});
    } else if (message.id === undefined) {
      if (Object.hasOwn(this.heard, message.method)) this.heard[message.method](message.params || {});
    } else if (message.method === "ping" || message.method === "ui/resource-teardown") {
      this.#post({ id: message.id, result: {} });
    } else {
      this.#post({ id: message.id, error: { code: -32601, message: "Method not found" } });
    }
  }
}

function textOf(result) {
  const blocks = Array.isArray(result?.content) ? result.content : [];
  return blocks
    .filter((block) => block?.type === "text")
    .map((block) => String(block.text))
    .join("\n");
}

function problemOf(result) {
  const error = result?.structuredContent?.error;
  return error?.message ? new Problem(String(error.message), error.hint) : new Problem(textOf(result));
}

function imageOf(result) {
  const blocks = Array.isArray(result?.content) ? result.content : [];
  const image = blocks.find(
    (block) => block?.type === "image" && /^image\/(png|jpeg|webp|gif)$/.test(block.mimeType) && block.data,
  );
  return image ? `data:${image.mimeType};base64,${image.data}` : null;
}

// Let the host show the page over its whole window, and back.
function growButton(host) {
  if (!host.canGrow) return null;
  const grown = host.context.displayMode === "fullscreen";
  return button(say(grown ? "smaller" : "larger"), () => {
    host.request("ui/request-display-mode", { mode: grown ? "inline" : "fullscreen" }).catch((problem) => {
      announce(problem.message);
    });
  });
}
