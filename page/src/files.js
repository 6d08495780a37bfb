// Files on their way in and out.

export async function toBase64(file) {
  const reader = new FileReader();
  const read = new Promise((resolve, reject) => {
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
  });
  reader.readAsDataURL(file);
  const url = await read;
  return url.slice(url.indexOf(",") + 1);
}

export function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}

// Pictures that a browser draws and never runs, by how their bytes begin.
const PICTURES = [
  ["image/png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
  ["image/gif", [0x47, 0x49, 0x46, 0x38]],
];

function pictureType(content) {
  const begins = (magic, at = 0) => magic.every((byte, index) => content[at + index] === byte);
  const found = PICTURES.find(([, magic]) => begins(magic));
  if (found) return found[0];
  const webp = begins([0x52, 0x49, 0x46, 0x46]) && begins([0x57, 0x45, 0x42, 0x50], 8);
  return webp ? "image/webp" : null;
}

// Where a preview comes from, or `null`: an address for an <img>, in which no script runs.
//
// An SVG is a document, and one at a blob: address would be a document of ours for whoever opens it in a
// tab. At a data: address it is nobody's, and no browser opens it there.
export async function preview(name, content) {
  const type = pictureType(content);
  if (type) return URL.createObjectURL(new Blob([content], { type }));
  if (!/\.svg$/i.test(name) || content.length > 2 ** 20) return null;
  const start = new TextDecoder().decode(content.subarray(0, 200)).trimStart();
  if (!start.startsWith("<svg") && !start.startsWith("<?xml")) return null;
  return `data:image/svg+xml;base64,${await toBase64(new Blob([content]))}`;
}

// Where a download comes from: bytes that no browser shows, whatever they are.
export const download = (content) =>
  URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
