// What came of a run, as elements. Output, names and messages are the program's: text, never markup.

import { bytes, make, milliseconds, plural } from "./dom.js";
import { download, fromBase64, preview } from "./files.js";

// Most of a stream that is put on the page; the rest is in the download. Characters.
const SHOWN_MAX = 200_000;

const LIMITS = {
  wall: "It ran out of time.",
  cpu: "It ran out of processor time.",
  memory: "It met the limit on memory.",
  processes: "It met the limit on processes.",
  output: "It wrote more than is kept.",
  disk: "It met the limit on files.",
};

// What to do about an error, where its message does not say it.
function remedy(type, facts) {
  const { limits } = facts;
  switch (type) {
    case "ForbiddenImportError":
      return "The modules that may be imported are listed at the foot of this page.";
    case "TimeoutError":
      return `A program may run for ${milliseconds(limits.wall_ms)}.`;
    case "RateLimitExceeded":
      return `${plural(limits.requests_per_minute, "program")} a minute and ` +
        `${limits.requests_per_day} a day are free for everyone.`;
    case "ServerBusy":
      return "Nothing was counted. Try again in a moment.";
    case "InternalServerError":
      return "This is the server's fault, not your program's. It is in its log under the id below.";
    default:
      return null;
  }
}

// Addresses of the last result's files, which hold their bytes until they are given up.
let addresses = [];

export function clear(place, ...instead) {
  place.replaceChildren(...instead);
  addresses.forEach((address) => URL.revokeObjectURL(address));
  addresses = [];
}

function keep(address) {
  addresses.push(address);
  return address;
}

const ranOf = (answer) => answer.execution_details ?? answer.execution_result ?? {};

// One sentence: for the eye, and for who listens.
export function verdict(answer) {
  const trouble = answer.error_details;
  if (trouble) return trouble.type;
  const files = Object.values(ranOf(answer).output_files ?? {});
  const came = files.filter((file) => !file.error).length;
  const brought = came > 0 ? `, ${plural(came, "file")} came back` : "";
  return `Done in ${milliseconds(ranOf(answer).execution_duration_sec * 1000)}${brought}`;
}

// Puts an answer into its place. `marks` are the lines in trouble; `goTo` shows one.
export async function show(place, { answer, retryAfter, facts, marks, goTo }) {
  clear(place);
  const ran = { ...answer.execution_details, ...answer.execution_result };
  const trouble = answer.error_details;
  if (trouble) place.append(troubleBox(trouble, retryAfter, facts, marks, goTo));
  if (ran.stdout !== undefined) {
    if (ran.stdout || !ran.stderr) place.append(stream("Standard output", "stdout", ran));
    if (ran.stderr) place.append(stream("Standard error", "stderr", ran));
  }
  const files = Object.entries(ran.output_files ?? {});
  if (files.length > 0) {
    const cards = await Promise.all(files.map(([name, file]) => fileCard(name, file)));
    place.append(make("section", {}, make("h3", {}, "Files"), make("ul", { className: "files-out" }, ...cards)));
  }
  if (ran.usage || ran.exit_code !== undefined) place.append(numbers(ran));
}

function troubleBox(trouble, retryAfter, facts, marks, goTo) {
  const box = make("div", { className: "trouble" }, make("strong", {}, trouble.type));
  box.setAttribute("role", "alert");
  if (trouble.message) box.append(make("p", {}, trouble.message));
  const help = remedy(trouble.type, facts);
  if (help) box.append(make("p", { className: "quiet" }, help));
  if (retryAfter) {
    box.append(make("p", { className: "quiet" }, `Try again in ${wait(Number(retryAfter))}.`));
  }
  if (trouble.id) box.append(make("p", { className: "quiet" }, "Id: ", make("code", {}, trouble.id)));
  for (const { line } of marks) {
    const button = make("button", { type: "button", className: "plain" }, `Go to line ${line}`);
    button.addEventListener("click", () => goTo(line));
    box.append(button);
  }
  return box;
}

function wait(seconds) {
  if (seconds < 120) return plural(seconds, "second");
  return seconds < 7200 ? plural(Math.ceil(seconds / 60), "minute") : plural(Math.ceil(seconds / 3600), "hour");
}

function stream(title, name, ran) {
  const text = ran[name];
  const section = make("section", { className: `stream ${name}` }, make("h3", {}, title));
  if (text === "") {
    section.append(make("p", { className: "quiet" }, "Nothing was written."));
    return section;
  }
  const content = make("pre", { tabIndex: 0, ariaLabel: title }, text.slice(0, SHOWN_MAX));
  content.setAttribute("role", "region");
  section.append(content);
  if (text.length > SHOWN_MAX) {
    const href = keep(download(new TextEncoder().encode(text)));
    section.append(make("p", { className: "quiet" }, "This is the beginning. ",
      make("a", { href, download: `${name}.txt` }, `All ${bytes(text.length)}`)));
  }
  if (ran[`${name}_truncated`]) {
    section.append(make("p", { className: "quiet" }, "The server kept no more of it."));
  }
  return section;
}

async function fileCard(name, file) {
  const title = make("span", { className: "name" }, name);
  if (file.error) {
    return make("li", { className: "missing" }, title, make("span", { className: "quiet" }, file.error));
  }
  const content = fromBase64(file.content_base64);
  const picture = await preview(name, content);
  const href = keep(download(content));
  const link = make("a", { href, download: name.split("/").at(-1), className: "button" }, "Download");
  link.ariaLabel = `Download ${name}`;
  const card = make("li", {});
  if (picture) {
    const image = make("img", { src: keep(picture), alt: `Preview of ${name}` });
    // It only begins like a picture.
    image.addEventListener("error", () => image.remove());
    card.append(image);
  }
  card.append(title, make("span", { className: "quiet" }, bytes(file.size_bytes)), link);
  return card;
}

function numbers(ran) {
  const list = make("dl", { className: "numbers" });
  const add = (term, value) => {
    if (value !== null && value !== undefined) {
      list.append(make("div", {}, make("dt", {}, term), make("dd", {}, value)));
    }
  };
  add("Exit code", ran.exit_code?.toString());
  const { usage } = ran;
  if (ran.execution_duration_sec !== undefined) {
    add("Duration", milliseconds(ran.execution_duration_sec * 1000));
  } else if (usage) {
    add("Duration", milliseconds(usage.wall_ms));
  }
  if (usage) {
    if (usage.cpu_ms !== null) add("Processor", milliseconds(usage.cpu_ms));
    if (usage.memory_peak_bytes !== null) add("Memory", bytes(usage.memory_peak_bytes));
    add("Processes", usage.processes_peak?.toString());
    add("Output", bytes(usage.output_bytes));
    if (usage.queue_ms >= 1) add("Waited", milliseconds(usage.queue_ms));
  }
  if (ran.limit_hit) {
    const told = LIMITS[ran.limit_hit] ?? `It met the limit ${ran.limit_hit}.`;
    list.append(make("div", { className: "hit" }, make("dt", {}, "Limit"), make("dd", {}, told)));
  }
  return list;
}
