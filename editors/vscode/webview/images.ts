// Images that are pasted or dropped.

import type { ContentBlock } from "../src/protocol";

/** What the server takes, in bytes. */
const MOST = 3_750_000;
/** Models look at no more than this, in pixels of the longer side. */
const SIDE = 1568;
const KINDS = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** The image as a part of a prompt; made smaller where it is too large, or of a kind that models do not read. */
export async function imageBlock(file: Blob): Promise<ContentBlock> {
  const fits = KINDS.has(file.type) && file.size <= MOST;
  const image = fits ? file : await redrawn(file);
  return { type: "image", mediaType: image.type, data: await base64(image) };
}

async function redrawn(file: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.ceil(bitmap.width * scale), Math.ceil(bitmap.height * scale));
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const png = await canvas.convertToBlob({ type: "image/png" });
  return png.size <= MOST ? png : canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
}

async function base64(file: Blob): Promise<string> {
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error("the image cannot be read"));
    reader.readAsDataURL(file);
  });
  return url.slice(url.indexOf(",") + 1);
}
