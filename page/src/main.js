// The page: one form, one answer.

import { byId, bytes, make, milliseconds, plural } from "./dom.js";
import { makeEditor } from "./editor.js";
import { EXAMPLES } from "./examples.js";
import { toBase64 } from "./files.js";
import { fromFragment, toFragment } from "./link.js";
import { clear, show, verdict } from "./result.js";
import * as snippets from "./snippets.js";

const EXECUTE = new URL("execute", document.baseURI).href;
const THEME = "hognose-theme";

// Longest fragment that a link is made of: longer ones do not survive mail and chat. Characters.
const LINK_MAX = 30_000;

// How often a running program's time is shown anew. Milliseconds.
const TICK_MS = 100;

const characters = (text) => [...text].length;

// What the server told about itself; nothing is enforced before it has.
let facts = null;
// Files to send, in order: `{name, blob}`.
let files = [];
// What ends the run; `null` while nothing runs.
let running = null;

const editor = makeEditor(byId("editor"), {
  label: "Program",
  describedBy: "Ctrl+Enter runs it. Tab indents; Escape, then Tab, leaves the editor.",
  changed,
  run,
});

// --- the request ---------------------------------------------------------------------------------

const wanted = () => [...new Set(byId("wanted").value.split("\n").map((name) => name.trim()))]
  .filter((name) => name !== "");

const given = () => ({ code: editor.text, stdin: byId("stdin").value, wanted: wanted() });

// Why the request would be refused, as far as is known here.
function refusal() {
  if (!facts) return null;
  const { limits } = facts;
  const long = characters(editor.text) - limits.code_characters;
  // An admin's programs have a limit of their own, which the server knows.
  if (long > 0 && byId("key").value === "") {
    return `The program is ${plural(long, "character")} too long.`;
  }
  return null;
}

function changed() {
  const count = characters(editor.text);
  const most = facts?.limits.code_characters;
  byId("count").textContent = most ? `${count} / ${most}` : `${count}`;
  byId("count").classList.toggle("over", most !== undefined && count > most);
  writeSnippet();
}

async function attach(list) {
  const notes = [];
  for (const blob of list) {
    const name = blob.name;
    const others = files.filter((file) => file.name !== name);
    if (facts && blob.size > facts.limits.attachment_bytes) {
      const most = bytes(facts.limits.attachment_bytes);
      notes.push(`${name} is ${bytes(blob.size)}: at most ${most} are sent.`);
    } else if (blob.size === 0) {
      notes.push(`${name} is empty: the server takes no empty files.`);
    } else if (facts && others.length >= facts.limits.attachments) {
      notes.push(`${name} is one too many: at most ${plural(facts.limits.attachments, "file")} can be sent.`);
    } else {
      files = [...others, { name, blob }];
    }
  }
  byId("files-note").textContent = notes.join(" ");
  showFiles();
}

function showFiles() {
  byId("files").replaceChildren(...files.map((file) => {
    const remove = make("button", { type: "button", className: "plain" }, "Remove");
    remove.ariaLabel = `Remove ${file.name}`;
    remove.addEventListener("click", () => {
      files = files.filter((other) => other !== file);
      byId("files-note").textContent = `${file.name} is removed.`;
      showFiles();
      byId("attach").focus();
    });
    const size = make("span", { className: "quiet" }, bytes(file.blob.size));
    return make("li", {}, make("span", { className: "name" }, file.name), size, remove);
  }));
  writeSnippet();
}

// --- the run -------------------------------------------------------------------------------------

async function run() {
  if (running) return;
  const reason = refusal();
  if (reason) {
    say(reason, "dead");
    return;
  }
  running = new AbortController();
  const { signal } = running;
  const start = performance.now();
  editor.mark([]);
  clear(byId("result"));
  byId("run").classList.add("running");
  byId("run-word").textContent = "Stop";
  say("Running…", "busy");
  const tick = () => {
    byId("elapsed").textContent = `${((performance.now() - start) / 1000).toFixed(1)} s`;
  };
  tick();
  const timer = setInterval(tick, TICK_MS);
  try {
    const response = await fetch(EXECUTE, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(await request()),
      signal,
    });
    const answer = await response.json();
    await showAnswer(answer, response.headers.get("Retry-After"));
  } catch (error) {
    if (signal.aborted) say("Stopped.", "alive");
    else say(`No answer: ${error.message}`, "dead");
  } finally {
    clearInterval(timer);
    running = null;
    byId("elapsed").textContent = "";
    byId("run").classList.remove("running");
    byId("run-word").textContent = "Run";
  }
}

async function request() {
  const { code, stdin, wanted } = given();
  const request = { code };
  if (stdin) request.stdin_data = stdin;
  if (wanted.length > 0) request.return_files = wanted;
  if (files.length > 0) {
    request.attachments = await Promise.all(files.map(async ({ name, blob }) =>
      ({ filename: name, content_base_64: await toBase64(blob) })));
  }
  if (byId("key").value) request.api_key = byId("key").value;
  return request;
}

async function showAnswer(answer, retryAfter) {
  const marks = troubles(answer);
  editor.mark(marks);
  const goTo = (line) => editor.goTo(line);
  await show(byId("result"), { answer, retryAfter, facts: facts ?? { limits: {} }, marks, goTo });
  say(verdict(answer), answer.error_details ? "dead" : "pleased");
  // On a phone the answer is below what was asked.
  const place = byId("answer");
  if (place.getBoundingClientRect().top > innerHeight * 0.7) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    place.scrollIntoView({ behavior: still ? "instant" : "smooth" });
  }
  if (answer.user_info) showCaller(answer.user_info);
  if (answer.server_status) showLoad(answer.server_status);
}

// The lines in trouble: of syntax as the message says, of imports as the editor finds them, of what the
// program raised as the end of its traceback says.
function troubles(answer) {
  const trouble = answer.error_details;
  if (!trouble) return [];
  const { type, message = "" } = trouble;
  if (type === "ForbiddenImportError") {
    return (trouble.disallowed ?? []).flatMap((module) => editor.importsOf(module)
      .map((line) => ({ line, text: `${module} may not be imported here.` })));
  }
  const where = / \(your_script\.py, line (\d+)\)$/;
  if (type === "SyntaxError") {
    const line = Number(where.exec(message)?.[1]);
    return line ? [{ line, text: `SyntaxError: ${message.replace(where, "")}` }] : [];
  }
  const stderr = answer.execution_result?.stderr ?? "";
  const lines = [...stderr.matchAll(/^\s*File "your_script\.py", line (\d+)/gm)];
  const line = Number(lines.at(-1)?.[1]);
  return type === "RuntimeError" && line ? [{ line, text: message }] : [];
}

// Says what happened, and how the snake takes it.
function say(text, mood) {
  byId("status").textContent = text;
  document.documentElement.dataset.mood = mood;
}

// --- what the server tells -----------------------------------------------------------------------

function showCaller(user) {
  if (user.role === "admin") {
    byId("quota").textContent = "admin: no quota";
    byId("quota-bar").hidden = true;
    return;
  }
  const { requests_remaining_today: left, daily_quota_limit: most } = user;
  byId("quota").textContent = `${left} of ${most} left today`;
  byId("quota-bar").hidden = false;
  byId("quota-bar").max = most;
  byId("quota-bar").value = left;
}

function showLoad({ load, active_processes_at_request: active, max_concurrent_processes: most }) {
  byId("load").textContent = `load ${load}, ${active} of ${most} slots`;
  byId("load").dataset.load = load;
}

async function askForFacts() {
  const response = await fetch("page/facts.json");
  facts = await response.json();
  const { limits } = facts;
  byId("files-most").textContent =
    `at most ${plural(limits.attachments, "file")} of ${bytes(limits.attachment_bytes)}`;
  byId("wanted-most").textContent = `at most ${bytes(limits.return_file_bytes)} each`;
  byId("tier").textContent = `isolation: ${facts.isolation}`;
  byId("version").textContent = `hognose ${facts.version}, Python ${facts.python}`;
  const rows = [
    ["Program", `${limits.code_characters} characters`],
    ["Time", milliseconds(limits.wall_ms)],
    ["Memory", bytes(limits.memory_bytes)],
    ["Children and threads", `${limits.processes}`],
    ["Its files", `${bytes(limits.workspace_bytes)}, ${limits.workspace_files} of them`],
    ["Output", `${bytes(limits.output_bytes)} of each stream`],
    ["Programs", `${limits.requests_per_minute} a minute, ${limits.requests_per_day} a day`],
    ["Network", "none"],
  ];
  byId("limits").replaceChildren(...rows.map(([term, value]) =>
    make("div", {}, make("dt", {}, term), make("dd", {}, value))));
  byId("imports").replaceChildren(...facts.imports.toSorted((a, b) => a.localeCompare(b))
    .flatMap((name) => [make("code", {}, name), " "]));
  if (facts.user_info) showCaller(facts.user_info);
  showLoad(facts.server_status);
  changed();
}

// --- take it home --------------------------------------------------------------------------------

function writeSnippet() {
  const { elements } = byId("form");
  const language = elements.language.value;
  const request = { ...given(), files: files.map((file) => file.name) };
  byId("snippet").textContent = snippets[language](EXECUTE, request);
  const needs = [];
  if (files.length > 0) needs.push(`Run it where ${files.map((file) => file.name).join(" and ")} can be read.`);
  if (request.wanted.length > 0 && language !== "python") {
    needs.push("Files come back in Base64, in execution_details.output_files.");
  }
  if (byId("key").value !== "") needs.push("Your key is not in it: add it as api_key.");
  byId("snippet-note").textContent = needs.join(" ");
}

async function copy(text, button, otherwise) {
  const word = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    byId("copied").textContent = "Copied.";
  } catch {
    // Not every browser lets a page write there: then the text is ready to be taken.
    otherwise();
    return;
  }
  setTimeout(() => {
    button.textContent = word;
    byId("copied").textContent = "";
  }, 1500);
}

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

// --- examples, links, looks ----------------------------------------------------------------------

async function load({ code, stdin = "", wanted = [], files: made = [] }) {
  running?.abort();
  editor.text = code;
  byId("stdin").value = stdin;
  byId("wanted").value = wanted.join("\n");
  byId("files-note").textContent = "";
  files = await Promise.all(made.map(async ([name, draw]) => ({ name, blob: await draw() })));
  showFiles();
  editor.mark([]);
  const hint = "Nothing has run yet. The answer will come faster than this sentence is read.";
  clear(byId("result"), make("p", { className: "quiet" }, hint));
}

function loadLinked() {
  const linked = fromFragment(location.hash);
  if (linked === undefined) say("The program in this link is damaged.", "dead");
  if (!linked) return false;
  load(linked);
  say("This program came with a link. Read it, then run it.", "alive");
  return true;
}

function setTheme(theme) {
  const { documentElement: root } = document;
  if (theme) root.dataset.theme = theme;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const isDark = (root.dataset.theme ?? (dark ? "dark" : "light")) === "dark";
  byId("theme").textContent = isDark ? "Light theme" : "Dark theme";
  return isDark;
}

// A browser may keep nothing for us; then the switch holds for as long as the page.
function remembered() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

function remember(theme) {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // As above.
  }
}

function begin() {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) running.abort();
    else run();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) {
      event.preventDefault();
      run();
    }
  });
  for (const id of ["stdin", "wanted", "key"]) byId(id).addEventListener("input", writeSnippet);
  for (const radio of byId("form").elements.language) radio.addEventListener("change", writeSnippet);

  byId("attach").addEventListener("click", () => byId("picker").click());
  byId("picker").addEventListener("change", () => {
    attach([...byId("picker").files]);
    byId("picker").value = "";
  });
  // A file that misses the field must not replace the page.
  let depth = 0;
  const lift = (by) => {
    depth = by === 0 ? 0 : depth + by;
    byId("drop").classList.toggle("over", depth > 0);
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => hasFiles(event) && lift(1));
  document.addEventListener("dragleave", (event) => hasFiles(event) && lift(-1));
  document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    lift(0);
    attach([...event.dataTransfer.files]);
  });

  byId("copy").addEventListener("click", () =>
    copy(byId("snippet").textContent, byId("copy"), () => select(byId("snippet"))));
  byId("link").addEventListener("click", () => {
    const fragment = toFragment(given());
    if (fragment.length > LINK_MAX) {
      say("The program and its input are too long for a link.", "dead");
      return;
    }
    history.replaceState(null, "", fragment);
    const note = files.length > 0 ? " Files are not in it." : "";
    copy(location.href, byId("link"), () => {});
    say(`The address of this page now carries the program.${note}`, "alive");
  });
  addEventListener("hashchange", loadLinked);

  byId("examples").append(...EXAMPLES.map((example) => {
    const button = make("button", { type: "button", className: "chip" }, example.name);
    button.addEventListener("click", async () => {
      await load(example);
      history.replaceState(null, "", location.pathname + location.search);
      say(`${example.name}: ready to run.`, "alive");
    });
    return button;
  }));

  if (navigator.platform.startsWith("Mac")) byId("run-keys").textContent = "⌘ ↵";

  setTheme(remembered());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme());
  byId("theme").addEventListener("click", () => {
    const theme = setTheme() ? "light" : "dark";
    setTheme(theme);
    remember(theme);
  });

  if (!loadLinked()) load(EXAMPLES[0]);
  performance.mark("interactive");
  const ask = () => askForFacts().catch(() => say("The server does not tell its limits now.", "dead"));
  ask();
  // Whoever comes back to the page sees the load and the quota of now.
  document.addEventListener("visibilitychange", () => document.hidden || running || ask());
}

begin();
