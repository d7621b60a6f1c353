// What programs written for Node expect around them, on QuickJS. Begins every run, then evaluates `main.js`.
import * as std from "qjs:std";
import * as os from "qjs:os";

const define = (name, value) =>
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });

// Output is gathered: a call for each line would cost more than the line.
const sink = (file) => {
  let parts = [], size = 0;
  return {
    put(text) {
      parts.push(text);
      size += text.length;
      if (size > 1 << 16) this.flush();
    },
    flush() {
      if (size) file.puts(parts.join(""));
      file.flush();
      parts = [];
      size = 0;
    },
  };
};
const out = sink(std.out), err = sink(std.err);

const leave = (code) => {
  out.flush();
  err.flush();
  std.exit(code);
};

// Milliseconds with all their digits, before `performance` is made what programs expect.
const precise = globalThis.performance.now.bind(globalThis.performance);

let input = null;
const stdin = () => (input === null ? (input = std.in.readAsString()) : input);

class Buffer extends Uint8Array {
  static from(value) {
    return typeof value === "string" ? new Buffer(encode(value)) : new Buffer(value);
  }
  static alloc(size, fill = 0) {
    return new Buffer(size).fill(fill);
  }
  static isBuffer(value) {
    return value instanceof Buffer;
  }
  toString(encoding) {
    if (encoding === "hex") return [...this].map((b) => b.toString(16).padStart(2, "0")).join("");
    return decode(this);
  }
}
const encode = (text) => {
  const bytes = [];
  for (const c of text) {
    const n = c.codePointAt(0);
    if (n < 0x80) bytes.push(n);
    else if (n < 0x800) bytes.push(0xc0 | (n >> 6), 0x80 | (n & 63));
    else if (n < 0x10000) bytes.push(0xe0 | (n >> 12), 0x80 | ((n >> 6) & 63), 0x80 | (n & 63));
    else bytes.push(0xf0 | (n >> 18), 0x80 | ((n >> 12) & 63), 0x80 | ((n >> 6) & 63), 0x80 | (n & 63));
  }
  return bytes;
};
const decode = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; ) {
    const b = bytes[i++];
    if (b < 0x80) text += String.fromCharCode(b);
    else {
      const more = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
      let n = b & (0x3f >> more);
      for (let j = 0; j < more; j++) n = (n << 6) | (bytes[i++] & 63);
      text += String.fromCodePoint(n);
    }
  }
  return text;
};

// What `console.log` shows of a value, as Node does for the values that programs print.
const inspect = (value, depth = 0, seen = []) => {
  switch (typeof value) {
    case "string":
      return depth ? "'" + value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/'/g, "\\'") + "'" : value;
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "bigint":
      return value + "n";
    case "function":
      return `[${/^class\b/.test(Function.prototype.toString.call(value)) ? "class" : "Function:"} ${value.name || "(anonymous)"}]`;
    case "symbol":
      return value.toString();
    case "object":
      break;
    default:
      return String(value);
  }
  if (value === null) return "null";
  if (seen.includes(value)) return "[Circular *1]";
  if (value instanceof Error) return value.stack ? `${value}\n${value.stack}`.trimEnd() : String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof RegExp) return String(value);
  const name = value.constructor?.name;
  const inner = (v) => inspect(v, depth + 1, [...seen, value]);
  const deep = depth > 2;
  const wrap = (open, items, close) => {
    if (!items.length) return open + close;
    const line = `${open} ${items.join(", ")} ${close}`;
    if (line.length <= 72 && !line.includes("\n")) return line;
    const pad = "  ".repeat(depth + 1);
    return `${open}\n${pad}${items.join(",\n" + pad)}\n${"  ".repeat(depth)}${close}`;
  };
  const shown = (items) => (items.length > 100 ? [...items.slice(0, 100), `... ${items.length - 100} more items`] : items);
  if (Array.isArray(value)) {
    if (deep) return "[Array]";
    return wrap("[", shown(Array.from(value, (v, i) => (i in value ? inner(v) : "<empty>"))), "]");
  }
  if (ArrayBuffer.isView(value)) return wrap(`${name}(${value.length}) [`, shown(Array.from(value, inner)), "]");
  if (deep) return `[${name ?? "Object"}]`;
  if (value instanceof Map)
    return wrap(`Map(${value.size}) {`, Array.from(value, ([k, v]) => `${inner(k)} => ${inner(v)}`), "}");
  if (value instanceof Set) return wrap(`Set(${value.size}) {`, Array.from(value, inner), "}");
  const key = (k) => (/^[A-Za-z_$][\w$]*$/.test(k) ? k : inner(k));
  const prefix = name && name !== "Object" ? name + " " : name ? "" : "[Object: null prototype] ";
  return wrap(prefix + "{", Object.keys(value).map((k) => `${key(k)}: ${inner(value[k])}`), "}");
};
const format = (args) => {
  if (typeof args[0] !== "string" || !args[0].includes("%")) return args.map((v) => inspect(v)).join(" ");
  let next = 1;
  const text = args[0].replace(/%([sdifjoO%])/g, (all, kind) => {
    if (kind === "%") return "%";
    if (next >= args.length) return all;
    const value = args[next++];
    if (kind === "d") return String(Number(value));
    if (kind === "i") return String(parseInt(value));
    if (kind === "f") return String(parseFloat(value));
    if (kind === "j") return JSON.stringify(value);
    return inspect(value, kind === "s" ? 0 : 1);
  });
  return [text, ...args.slice(next).map((v) => inspect(v))].join(" ");
};
const line = (to) => (...args) => to.put(format(args) + "\n");
define("console", {
  log: line(out), info: line(out), debug: line(out), error: line(err), warn: line(err), trace: line(err),
  table: line(out), time() {}, timeEnd() {}, group() {}, groupEnd() {},
  assert: (ok, ...args) => ok || err.put("Assertion failed" + (args.length ? ": " + format(args) : "") + "\n"),
});

// Time is virtual: a timer's turn comes when nothing else is left to do.
let timers = [], ids = 0, clock = 0;
const after = (call, delay, args, every) => {
  const timer = { id: ++ids, at: clock + Math.max(Number(delay) || 0, every ? 1 : 0), call, args, every };
  timers.push(timer);
  timer.ref = timer.unref = () => timer;
  timer[Symbol.toPrimitive] = () => timer.id;
  return timer;
};
const clear = (timer) => {
  timers = timers.filter((t) => t !== timer && t.id !== Number(timer));
};
define("setTimeout", (call, delay, ...args) => after(call, delay, args));
define("setInterval", (call, delay, ...args) => after(call, delay, args, Math.max(Number(delay) || 0, 1)));
define("setImmediate", (call, ...args) => after(call, 0, args));
define("clearTimeout", clear);
define("clearInterval", clear);
define("clearImmediate", clear);
define("queueMicrotask", (call) => void Promise.resolve().then(call));
define("Buffer", Buffer);
define("global", globalThis);
define("structuredClone", (value) => {
  const copy = (v) =>
    v === null || typeof v !== "object" ? v
    : Array.isArray(v) ? v.map(copy)
    : v instanceof Map ? new Map(Array.from(v, ([k, x]) => [copy(k), copy(x)]))
    : v instanceof Set ? new Set(Array.from(v, copy))
    : v instanceof Date ? new Date(v)
    : Object.fromEntries(Object.entries(v).map(([k, x]) => [k, copy(x)]));
  return copy(value);
});

class EventEmitter {
  on(name, call) {
    ((this._calls ??= {})[name] ??= []).push(call);
    return this;
  }
  once(name, call) {
    const one = (...args) => (this.off(name, one), call.apply(this, args));
    return this.on(name, one);
  }
  off(name, call) {
    const calls = this._calls?.[name];
    if (calls) this._calls[name] = calls.filter((c) => c !== call);
    return this;
  }
  emit(name, ...args) {
    const calls = this._calls?.[name] ?? [];
    for (const call of [...calls]) call.apply(this, args);
    return calls.length > 0;
  }
}
Object.assign(EventEmitter.prototype, {
  addListener: EventEmitter.prototype.on,
  removeListener: EventEmitter.prototype.off,
  removeAllListeners(name) {
    if (name) delete this._calls?.[name];
    else this._calls = {};
    return this;
  },
});
EventEmitter.EventEmitter = EventEmitter;

// Input is told when somebody listens, once, after the program's own turn.
class Input extends EventEmitter {
  fd = 0;
  isTTY = false;
  _told = false;
  _text = false;
  on(name, call) {
    super.on(name, call);
    if (["data", "end", "readable", "close"].includes(name) && !this._told) {
      this._told = true;
      setImmediate(() => {
        const text = stdin();
        this._rest = text;
        if (text) {
          if (this._calls.data) this._rest = null;
          this.emit("data", this._text ? text : Buffer.from(text));
          this.emit("readable");
        }
        this._rest = null;
        this.emit("readable");
        this.emit("end");
        this.emit("close");
      });
    }
    return this;
  }
  read() {
    const text = this._rest;
    this._rest = null;
    return text ? (this._text ? text : Buffer.from(text)) : null;
  }
  setEncoding() {
    this._text = true;
    return this;
  }
  resume() { return this; }
  pause() { return this; }
  unref() { return this; }
  pipe(to) { return this.on("data", (d) => to.write(d)); }
  async *[Symbol.asyncIterator]() {
    if (stdin()) yield this._text ? stdin() : Buffer.from(stdin());
  }
}

class Interface extends EventEmitter {
  constructor() {
    super();
    const text = stdin();
    this._lines = text === "" ? [] : text.replace(/\r\n/g, "\n").replace(/\n$/, "").split("\n");
    this._asked = [];
    setImmediate(() => this._pump());
  }
  _pump() {
    while (!this._closed && this._lines.length && (this._asked.length || this._calls?.line)) {
      const next = this._lines.shift();
      if (this._asked.length) this._asked.shift()(next);
      else this.emit("line", next);
    }
    if (!this._lines.length && !this._asked.length && !this._iterating) this.close();
  }
  question(text, options, answer = options) {
    out.put(text);
    this._asked.push(answer);
    setImmediate(() => this._pump());
  }
  prompt() {}
  setPrompt() {}
  write() {}
  pause() { return this; }
  resume() { return this; }
  close() {
    if (this._closed) return;
    this._closed = true;
    this.emit("close");
  }
  async *[Symbol.asyncIterator]() {
    this._iterating = true;
    while (this._lines.length) yield this._lines.shift();
    this.close();
  }
}

const exit = { value: undefined };
const output = (to, fd) => ({
  fd, isTTY: false, columns: 80,
  write(text, encoding, done) {
    to.put(typeof text === "string" ? text : decode(text));
    const call = typeof encoding === "function" ? encoding : done;
    if (call) setImmediate(call);
    return true;
  },
  end(text) { if (text) to.put(text); },
  on() { return this; }, once() { return this; }, emit() { return false; },
});
const begun = os.now();
const process = Object.assign(new EventEmitter(), {
  argv: ["node", "/main.js"], env: {}, platform: "linux", pid: 1, version: "v20.0.0", versions: { node: "20.0.0" },
  stdin: new Input(), stdout: output(out, 1), stderr: output(err, 2),
  exit(code) { process.emit("exit", code ?? exit.value ?? 0); leave(code ?? exit.value ?? 0); },
  cwd: () => "/", uptime: () => (os.now() - begun) / 1e6, memoryUsage: () => ({ heapUsed: 0, heapTotal: 0, rss: 0 }),
  nextTick: (call, ...args) => queueMicrotask(() => call(...args)),
  hrtime: Object.assign((since) => {
    const ns = (os.now() - begun) * 1000, [s, n] = [Math.floor(ns / 1e9), ns % 1e9];
    return since ? [s - since[0] - (n < since[1] ? 1 : 0), (n - since[1] + 1e9) % 1e9] : [s, n];
  }, { bigint: () => BigInt(Math.round((os.now() - begun) * 1000)) }),
});
Object.defineProperty(process, "exitCode", { get: () => exit.value, set: (code) => (exit.value = code) });
define("process", process);

const missing = (path) =>
  Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: "ENOENT", errno: -2 });
const readFileSync = (path, options) => {
  const text = path === 0 || path === "/dev/stdin" ? stdin() : std.loadFile(String(path));
  if (text === null) throw missing(path);
  const encoding = typeof options === "string" ? options : options?.encoding;
  return encoding ? text : Buffer.from(text);
};
const fs = {
  readFileSync,
  readFile(path, options, done = options) {
    let text;
    try {
      text = readFileSync(path, options === done ? undefined : options);
    } catch (error) {
      return void setImmediate(() => done(error));
    }
    setImmediate(() => done(null, text));
  },
  writeFileSync(path, text) {
    if (path === 1 || path === "/dev/stdout") out.put(typeof text === "string" ? text : decode(text));
    else if (path === 2 || path === "/dev/stderr") err.put(typeof text === "string" ? text : decode(text));
    else throw Object.assign(new Error(`EROFS: read-only file system, open '${path}'`), { code: "EROFS" });
  },
  writeSync: (fd, text) => (fs.writeFileSync(fd, text), text.length),
  existsSync: (path) => path === "/dev/stdin" || os.stat(String(path))[1] === 0,
  promises: { readFile: async (path, options) => readFileSync(path, options) },
};
const createInterface = () => new Interface();
const fail = (message) => { throw new Error(message || "Assertion failed"); };
const same = (a, b) => Object.is(a, b) || inspect(a, 1) === inspect(b, 1);
const assert = Object.assign((ok, message) => ok || fail(message), {
  ok: (ok, message) => ok || fail(message),
  equal: (a, b, message) => a == b || fail(message),
  strictEqual: (a, b, message) => Object.is(a, b) || fail(message),
  deepEqual: (a, b, message) => same(a, b) || fail(message),
  deepStrictEqual: (a, b, message) => same(a, b) || fail(message),
});
const modules = {
  fs, process, assert, events: EventEmitter,
  "fs/promises": fs.promises,
  readline: { createInterface, promises: { createInterface } },
  "readline/promises": {
    createInterface() {
      const lines = new Interface(), ask = lines.question.bind(lines);
      lines.question = (text) => new Promise((done) => ask(text, done));
      return lines;
    },
  },
  util: { inspect: (value) => inspect(value, 1), format: (...args) => format(args), promisify: (f) => (...args) =>
    new Promise((done, failed) => f(...args, (error, value) => (error ? failed(error) : done(value)))) },
  os: { EOL: "\n", cpus: () => [{}], platform: () => "linux" },
  path: { join: (...parts) => parts.join("/").replace(/\/+/g, "/"), basename: (p) => p.split("/").pop(), resolve: (...p) => "/" + p.join("/") },
  perf_hooks: { performance: { now: () => (os.now() - begun) / 1000 } },
  timers: { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval },
  buffer: { Buffer },
};
define("performance", modules.perf_hooks.performance);
const loaded = new Map();
define("require", (name) => {
  const plain = String(name).replace(/^node:/, "");
  if (Object.hasOwn(modules, plain)) return modules[plain];
  const path = plain.replace(/^\.\//, "");
  const file = [path, path + ".js", path + ".json"].find((p) => std.loadFile(p) !== null);
  if (plain.startsWith(".") && file) {
    if (!loaded.has(file)) {
      const made = { exports: {} };
      loaded.set(file, made);
      if (file.endsWith(".json")) made.exports = JSON.parse(std.loadFile(file));
      else new Function("module", "exports", "require", std.loadFile(file))(made, made.exports, require);
    }
    return loaded.get(file).exports;
  }
  throw Object.assign(new Error(`Cannot find module '${name}'`), { code: "MODULE_NOT_FOUND" });
});
define("module", { exports: {} });
define("exports", module.exports);
define("__filename", "/main.js");
define("__dirname", "/");
require.main = module;

const crash = (error) => {
  out.flush();
  const said = error instanceof Error ? `${error}\n${error.stack ?? ""}` : `Uncaught ${inspect(error, 1)}`;
  // Our own frames are none of the program's.
  err.put(said.replaceAll("<evalScript>", "main.js").split("\n").filter((l) => !l.includes("shim.mjs")).join("\n").trimEnd() + "\n");
  leave(1);
};

// Until nobody but us waits for a turn. QuickJS tells nobody whether jobs are left, and gives each one turn after another:
// where others had theirs between two of ours, the clock, which runs on fuel, has moved further than it must.
const round = async () => {
  const before = precise();
  await null;
  return precise() - before;
};
let alone = 0;
const calm = async () => {
  // With no job left at all, QuickJS ends for a rejection that nobody handled: what was said before is not lost.
  out.flush();
  await new Promise((done) => os.setTimeout(done, 0));
  alone = Infinity;
  for (let n = 0; n < 4; n++) alone = Math.min(alone, await round());
};
// A program's memory moves that clock too, and then all looks busy: so many turns are waited for in a run, and no more.
let patience = 1e6;
const idle = async () => {
  for (let quiet = 0; quiet < 3 && patience > 0; patience--) quiet = (await round()) < alone * 1.4 ? quiet + 1 : 0;
  await calm();
};
await calm();
try {
  const text = std.loadFile("main.js");
  if (std.loadFile(".compile") !== null) {
    std.evalScript(text, { compile_only: true });
    leave(0);
  }
  std.loadScript("main.js");
  await idle();
  while (timers.length) {
    const timer = timers.reduce((a, b) => (b.at < a.at ? b : a));
    if (timer.every) timer.at += timer.every;
    else clear(timer);
    if (timer.at > clock) {
      os.sleep(timer.at - clock);
      clock = timer.at;
    }
    timer.call(...timer.args);
    await idle();
  }
  process.emit("exit", exit.value ?? 0);
  leave(exit.value ?? 0);
} catch (error) {
  crash(error);
}
