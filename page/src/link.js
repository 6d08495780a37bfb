// A link that carries a program: in the fragment, which no browser sends to any server.

const PREFIX = "#program=";

// `{code, stdin, wanted}` as a fragment. Files are not in it, nor is the key.
export function toFragment({ code, stdin, wanted }) {
  const given = { code };
  if (stdin) given.stdin = stdin;
  if (wanted.length > 0) given.wanted = wanted;
  const bytes = new TextEncoder().encode(JSON.stringify(given));
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const url = { "+": "-", "/": "_", "=": "" };
  return PREFIX + btoa(binary).replace(/[+/=]/g, (sign) => url[sign]);
}

// What a fragment carries; `null` where it carries nothing, `undefined` where it is damaged.
export function fromFragment(fragment) {
  if (!fragment.startsWith(PREFIX)) return null;
  try {
    const text = fragment.slice(PREFIX.length).replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const given = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const isText = (value) => typeof value === "string";
    const { code, stdin = "", wanted = [] } = given;
    const right = isText(code) && isText(stdin) && Array.isArray(wanted) && wanted.every(isText);
    return right ? { code, stdin, wanted } : undefined;
  } catch {
    return undefined;
  }
}
