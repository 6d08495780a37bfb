// The request that is in the page, for somebody else's terminal or program.
//
// Files are read where the snippet runs, by their names; the admin key is never in a snippet.

// JSON that can stand between single quotes of a shell: what would end them is an escape. A quoted
// document in place needs none.
const shellJson = (value) => JSON.stringify(value).replaceAll("'", "\\u0027");

const shellWord = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// A path that no command takes for an option.
const path = (name) => (name.startsWith("-") ? `./${name}` : name);

function body({ code, stdin, wanted }) {
  const request = { code };
  if (stdin) request.stdin_data = stdin;
  if (wanted.length > 0) request.return_files = wanted;
  return request;
}

export function curl(url, given) {
  const send = `curl -X POST ${shellWord(url)} \\\n  -H 'Content-Type: application/json' \\\n`;
  if (given.files.length === 0) {
    return `${send}  --data-binary @- <<'JSON'\n${JSON.stringify(body(given), null, 2)}\nJSON\n`;
  }
  const request = shellJson(body(given));
  const parts = given.files.flatMap((name, index) => [
    `printf %s '${index === 0 ? "" : ","}{"filename":${shellJson(name)},"content_base_64":"'`,
    `base64 < ${shellWord(path(name))} | tr -d '\\n'`,
    `printf %s '"}'`,
  ]);
  const lines = [`printf %s '${request.slice(0, -1)},"attachments":['`, ...parts, `printf %s ']}'`];
  return `{\n${lines.map((line) => `  ${line}`).join("\n")}\n} | ${send}  --data-binary @-\n`;
}

// What a source may hold as it is: not the signs that end or change a literal, nor invisible ones.
const escapes = { "\\": "\\\\", "\r": "\\r" };
const invisible = /[\\\0-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu;
const escaped = (sign) =>
  escapes[sign] ?? `\\u${sign.codePointAt(0).toString(16).padStart(4, "0")}`;

function pythonText(text) {
  if (!text.includes("\n")) return JSON.stringify(text).replace(invisible, (sign) =>
    sign === "\\" ? sign : escaped(sign));
  // A quote before another one, or at the end, could be part of the three that end the text.
  const safe = text.replace(invisible, escaped).replace(/"(?="|$)/g, '\\"');
  return `"""\\\n${safe}"""`;
}

export function python(url, given) {
  const { code, stdin, wanted, files } = given;
  const fields = [`"code": CODE,`];
  if (stdin) fields.push(`"stdin_data": ${pythonText(stdin)},`);
  if (files.length > 0) {
    fields.push(
      `"attachments": [`,
      `    {"filename": name, "content_base_64": base64.b64encode(open(name, "rb").read()).decode()}`,
      `    for name in [${files.map(pythonText).join(", ")}]`,
      `],`,
    );
  }
  if (wanted.length > 0) fields.push(`"return_files": [${wanted.map(pythonText).join(", ")}],`);
  const imports = files.length + wanted.length > 0 ? "import base64\n" : "";
  const save = wanted.length === 0 ? "" : `
for name, file in ran.get("output_files", {}).items():
    if "error" in file:
        print(name, file["error"])
    else:
        with open(name.split("/")[-1], "wb") as saved:
            saved.write(base64.b64decode(file["content_base64"]))
`;
  return `${imports}import json
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

CODE = ${pythonText(code)}

request = {
${fields.map((line) => `    ${line}`).join("\n")}
}
headers = {"Content-Type": "application/json"}
try:
    answer = json.load(urlopen(Request(${pythonText(url)}, json.dumps(request).encode(), headers)))
except HTTPError as error:
    answer = json.load(error)
    print(answer["error_details"]["type"], answer["error_details"]["message"], file=sys.stderr)
ran = answer.get("execution_details") or answer.get("execution_result") or {}
print(ran.get("stdout", ""), end="")
print(ran.get("stderr", ""), end="", file=sys.stderr)
${save}`;
}

function scriptText(text) {
  if (!text.includes("\n")) return JSON.stringify(text).replace(invisible, (sign) =>
    sign === "\\" ? sign : escaped(sign));
  const safe = text.replace(invisible, escaped).replaceAll("`", "\\`").replaceAll("${", "\\${");
  return `\`${safe}\``;
}

export function javascript(url, given) {
  const { code, stdin, wanted, files } = given;
  const fields = [`code: ${scriptText(code)},`];
  if (stdin) fields.push(`stdin_data: ${scriptText(stdin)},`);
  if (files.length > 0) fields.push(`attachments,`);
  if (wanted.length > 0) fields.push(`return_files: [${wanted.map(scriptText).join(", ")}],`);
  const read = files.length === 0 ? "" : `import { readFile } from "node:fs/promises";

const attachments = await Promise.all([${files.map(scriptText).join(", ")}].map(async (filename) =>
  ({ filename, content_base_64: await readFile(filename, "base64") })));
`;
  const show = wanted.length === 0 ? "" : `
for (const [name, file] of Object.entries(ran.output_files ?? {})) {
  console.log(name, file.error ?? \`\${file.size_bytes} bytes, in Base64: \${file.content_base64}\`);
}`;
  return `${read}const response = await fetch(${scriptText(url)}, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({
${fields.map((line) => `    ${line}`).join("\n")}
  }),
});
const answer = await response.json();
if (answer.error_details) console.error(answer.error_details.type, answer.error_details.message);
const ran = answer.execution_details ?? answer.execution_result ?? {};
console.log(ran.stdout ?? "");${show}
`;
}
