// Bundles the extension for the extension host and its web view for the browser.
import { build } from "esbuild";

const production = process.argv.includes("--production");
const common = { bundle: true, minify: production, sourcemap: production ? false : "linked", logLevel: "warning" };

await Promise.all([
  build({
    ...common,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.js",
    platform: "node",
    format: "cjs",
    target: "node20",
    external: ["vscode"],
  }),
  build({
    ...common,
    entryPoints: ["webview/main.ts", "webview/styles.css"],
    outdir: "dist/webview",
    platform: "browser",
    format: "iife",
    target: "chrome120",
  }),
]);
